"""File names as clients spell them in part headers."""

from __future__ import annotations

import pytest

from flame_node_agent.results.disposition import PartHeaders, part_headers


def _headers(disposition: str | bytes) -> PartHeaders:
    raw = disposition if isinstance(disposition, bytes) else disposition.encode()
    return part_headers([("Content-Disposition", raw.decode("latin-1"))])


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('form-data; name="file"; filename="result.bin"', "result.bin"),
        ("form-data; name=file; filename=result.bin", "result.bin"),
        ('form-data;name="file";filename="result.bin"', "result.bin"),
        ('form-data; filename="result.bin"; name="file"', "result.bin"),
        ('FORM-DATA; NAME="file"; FILENAME="result.bin"', "result.bin"),
        ('form-data; name="file"; filename="a;b=c; name=x"', "a;b=c; name=x"),
        ('form-data; name="file"; filename=""', ""),
        ('form-data; name="file"', None),
        ('form-data; name="file"; filename="Ergebnis für Müller.csv"', "Ergebnis für Müller.csv"),
        ('form-data; name="file"; filename="結果.bin"', "結果.bin"),
        (b'form-data; name="file"; filename="M\xfcller.csv"', "Müller.csv"),
        ('form-data; name="file"; filename="a%22b%0D%0Ac"', 'a"b\r\nc'),
        ('form-data; name="file"; filename="100%25 %41"', "100%25 %41"),
        (r'form-data; name="file"; filename="a\"b\\c"', r'a"b\c'),
        (r'form-data; name="file"; filename="C:\fakepath\a.txt"', r"C:\fakepath\a.txt"),
        ('form-data; name="file"; filename="ends with \\"', "ends with \\"),
        ('form-data; name="file"; filename="../../etc/passwd"', "../../etc/passwd"),
        ("form-data; name=\"file\"; filename*=utf-8''na%C3%AFve.txt", "naïve.txt"),
        ('form-data; name="file"; filename="x"; filename*=UTF-8\'en\'%E2%82%AC.txt', "€.txt"),
        ("form-data; name=\"file\"; filename*=iso-8859-1''%FC.txt", "ü.txt"),
        ('form-data; name="file"; filename="x"; filename*=klingon\'\'y', "x"),
    ],
)
def test_file_name_is_read_as_the_client_meant_it(disposition: str | bytes, filename: str | None) -> None:
    headers = _headers(disposition)
    assert (headers.name, headers.filename) == ("file", filename)


def test_first_of_two_equal_parameters_counts() -> None:
    assert _headers('form-data; name="file"; name="tag"; filename="a"; filename="b"').filename == "a"


@pytest.mark.parametrize("disposition", ["form-data", "form-data;", "form-data; name", 'form-data; "x"', ""])
def test_missing_name_is_told(disposition: str) -> None:
    assert _headers(disposition).name is None


def test_hostile_parameters_are_read_in_linear_time() -> None:
    for hostile in ('; a="\\' * 4000, ';a="' * 4000, ";" * 16_000, '; name="' + "\\" * 16_000):
        _headers(f"form-data{hostile}")
