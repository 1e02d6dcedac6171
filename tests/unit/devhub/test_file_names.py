"""What becomes of the file name of a multipart part: busboy's reading of Content-Disposition."""

from __future__ import annotations

import pytest

from flame_node_agent.devstack.hub.multipart_upload import file_names


def sent(parameters: str) -> str:
    """A header as it arrives: UTF-8 bytes, decoded as latin-1."""
    return f"form-data{parameters}".encode().decode("latin-1")


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ('; name="f"; filename="a.csv"', "a.csv"),
        ("; name=f; filename=a.csv", "a.csv"),
        ('; filename="a b;c=d"', "a b;c=d"),
        ('; filename="x\\\\y"', "x\\y"),
        ('; filename="x\\"y"', 'x"y'),
        ('; filename="x\\y"', "x\\y"),
        ('; filename="%22%0D%0A"', "%22%0D%0A"),
        ('; FILENAME="upper"', "upper"),
        ('; filename="first"; filename="second"', "first"),
        ('; filename="C:\\\\folder\\\\a.csv"', "C:\\folder\\a.csv"),
        ('; filename="../../etc/passwd"', "../../etc/passwd"),
        ("; filename=\"x\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("; filename=\"x\"; filename*=iso-8859-1'en'%A3.txt", "£.txt"),
        ("; filename=\"x\"; filename*=no-charset''%A3", "x"),
        ("; filename=\"x\"; filename*=UTF-8''%FF", "x"),
    ],
)
def test_names_are_read_as_busboy_reads_them(parameters: str, path: str) -> None:
    assert file_names(sent(parameters))[0] == path


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        '; name="f"',
        '; name="f"; filename=""',
        '; name="f"; filename="unfinished',
        '; name="f" filename="no semicolon"',
        '; filename="bell\x07"',
        "; filename",
        ";",
    ],
)
def test_parts_without_a_readable_name_are_no_files(parameters: str) -> None:
    assert file_names(sent(parameters)) == ("", "")


def test_other_dispositions_are_no_files() -> None:
    assert file_names('attachment; filename="x"') == ("", "")


def test_a_utf8_name_is_mojibake_to_the_hub_and_itself_to_the_admin() -> None:
    assert file_names(sent('; filename="größe"')) == ("grÃ¶Ã\x9fe", "größe")


def test_a_latin1_name_is_itself_to_both() -> None:
    assert file_names('form-data; filename="gr\xf6\xdfe"') == ("größe", "größe")
