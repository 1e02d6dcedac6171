# shellcheck shell=sh
# To be sourced: how a script ends that cannot go on.

# Says what is wrong ($1) and what to do about it ($2), and ends with 1.
refuse() {
    printf '✘ %s\n  %s\n' "$1" "$2" >&2
    exit 1
}
