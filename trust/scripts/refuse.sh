# shellcheck shell=sh
# To be sourced: how a script ends that cannot go on.

# Says what is wrong ($1) and what to do about it ($2), and ends with 1.
refuse() {
    printf '✘ %s\n  %s\n' "$1" "$2" >&2
    exit 1
}

# Ends as there is no kit. Names those that there are with what chooses them, and says what else can be done ($1).
refuse_without_kit() {
    others=$(other_kits)
    refuse "There is no kit $KIT_FILE in $(pwd)." "${others:+$others
  }$1"
}

# A line for each kit of this folder; what `flame-node keys rotate` has kept of earlier ones has other names.
other_kits() {
    for file in .env.*; do
        name="${file#.env.}"
        case "$name" in
        '*') continue ;;
        *.stag) choice="PROD=stag make …" ;;
        *.production) choice="PROD=true make …" ;;
        *.development) choice="make … without PROD" ;;
        *.*) continue ;;
        *) choice="make …" ;;
        esac
        kit="${name%.*}"
        [ "$kit" = "$KIT" ] || choice="KIT=$kit $choice"
        printf '  There is %s: %s\n' "$file" "$choice"
    done | sed '1s/^  //'
}
