"""How the node's private key may be given (FLAME Node Result Service, ``tests/test_config.py`` and its README)."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from flame_node_agent.config.private_key import FileKey, RawKey
from flame_node_agent.config.settings import load_settings
from flame_node_agent.errors import SettingsError
from tests.unit.settings_samples import KEY, encrypted_pem, private_pem, without

PKCS8, SEC1 = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL

RSA = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PKCS8, NoEncryption()).decode()
ED25519 = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PKCS8, NoEncryption()).decode()


def from_variable(text: str) -> ec.EllipticCurvePrivateKey:
    given = {"CRYPTO__PROVIDER": "raw", "CRYPTO__ECDH_PRIVATE_KEY": text}
    return load_settings(without() | given, env_file=None).crypto.private_key()


def from_file(path: Path) -> ec.EllipticCurvePrivateKey:
    given = {"CRYPTO__PROVIDER": "file", "CRYPTO__ECDH_PRIVATE_KEY_PATH": str(path)}
    return load_settings(without("CRYPTO__ECDH_PRIVATE_KEY") | given, env_file=None).crypto.private_key()


def problem_with(**given: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(without("CRYPTO__ECDH_PRIVATE_KEY", "CRYPTO__PROVIDER") | given, env_file=None)
    (problem,) = caught.value.problems
    return str(problem)


def same(one: ec.EllipticCurvePrivateKey, other: ec.EllipticCurvePrivateKey) -> bool:
    return one.private_numbers() == other.private_numbers()


def test_private_key_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "private_key.pem"
    path.write_text(private_pem())
    assert same(from_file(path), KEY)


def test_private_key_is_read_from_raw_bytes() -> None:
    settings = RawKey.model_validate({"provider": "raw", "ecdh_private_key": private_pem().encode()})
    assert same(settings.private_key(), KEY)


def test_private_key_is_read_from_a_raw_string() -> None:
    assert same(from_variable(private_pem()), KEY)


def test_private_key_is_read_with_escaped_line_breaks() -> None:
    assert same(from_variable(private_pem().replace("\n", "\\n")), KEY)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda pem: pem.replace("\n", "\r\n"), id="windows line breaks"),
        pytest.param(lambda pem: pem.replace("\n", "\\r\\n"), id="escaped windows line breaks"),
        pytest.param(lambda pem: pem.replace("\n", " "), id="line breaks folded to spaces"),
        pytest.param(lambda pem: pem.replace("\n", ""), id="no line breaks at all"),
        pytest.param(lambda pem: f"  {pem}\n\n", id="white space around"),
        pytest.param(lambda pem: f"Bag Attributes\n    friendlyName: node\n{pem}", id="words in front"),
    ],
)
@pytest.mark.parametrize("form", [PKCS8, SEC1], ids=["PKCS#8", "SEC1"])
def test_private_key_survives_what_charts_and_shells_do_to_line_breaks(change, form) -> None:
    assert same(from_variable(change(private_pem(form=form))), KEY)


def test_private_key_with_its_base64_on_one_line_is_read_as_the_hub_writes_it() -> None:
    head, *body, foot = private_pem().splitlines()
    assert len(body) > 1
    assert same(from_variable("\n".join([head, "".join(body), foot])), KEY)


def test_private_key_behind_curve_parameters_is_read_as_openssl_writes_it() -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert same(from_variable(parameters + private_pem(form=SEC1)), KEY)


def test_private_key_on_p384_is_read() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    assert same(from_variable(private_pem(key)), key)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("not a key", "holds no PEM private key", id="no PEM"),
        pytest.param(
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "cannot be read", id="no key"
        ),
        pytest.param(
            "-----BEGIN PRIVATE KEY-----\n%%%%\n-----END PRIVATE KEY-----", "cannot be read", id="no base64"
        ),
        pytest.param(encrypted_pem(PKCS8), "an encrypted private key", id="encrypted PKCS#8"),
        pytest.param(encrypted_pem(SEC1), "an encrypted private key", id="encrypted SEC1"),
        pytest.param(RSA, "not an EC key", id="RSA"),
        pytest.param(ED25519, "not an EC key", id="Ed25519"),
        pytest.param(private_pem(ec.generate_private_key(ec.SECP521R1())), "another curve", id="P-521"),
        pytest.param(private_pem(ec.generate_private_key(ec.SECP256K1())), "another curve", id="secp256k1"),
    ],
)
def test_unusable_private_key_is_refused_at_the_start(text: str, reason: str, tmp_path: Path) -> None:
    in_variable = problem_with(CRYPTO__PROVIDER="raw", CRYPTO__ECDH_PRIVATE_KEY=text)
    assert in_variable.startswith("CRYPTO__ECDH_PRIVATE_KEY: holds")
    path = tmp_path / "key.pem"
    path.write_text(text)
    in_file = problem_with(CRYPTO__PROVIDER="file", CRYPTO__ECDH_PRIVATE_KEY_PATH=str(path))
    assert in_file.startswith("CRYPTO__ECDH_PRIVATE_KEY_PATH: names a file that holds")
    for problem in (in_variable, in_file):
        assert reason in problem
        assert "accepts" in problem
        assert "P-256 or P-384" in problem


def test_private_key_file_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path) -> None:
    binary = tmp_path / "binary.pfx"
    binary.write_bytes(b"\x30\x82\xff\xfe")
    for path, reason in (
        (tmp_path / "absent.pem", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (binary, "holds no PEM private key"),
    ):
        problem = problem_with(CRYPTO__PROVIDER="file", CRYPTO__ECDH_PRIVATE_KEY_PATH=str(path))
        assert problem.startswith("CRYPTO__ECDH_PRIVATE_KEY_PATH: names a file that")
        assert reason in problem


def test_private_key_file_is_read_anew_so_that_a_rotated_key_counts(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(private_pem())
    settings = FileKey.model_validate({"provider": "file", "ecdh_private_key_path": path})
    rotated = ec.generate_private_key(ec.SECP256R1())
    path.write_text(private_pem(rotated))
    assert same(settings.private_key(), rotated)


def test_only_the_variable_of_the_chosen_provider_is_read(tmp_path: Path) -> None:
    given = {"CRYPTO__PROVIDER": "raw", "CRYPTO__ECDH_PRIVATE_KEY_PATH": str(tmp_path / "absent")}
    assert same(load_settings(without() | given, env_file=None).crypto.private_key(), KEY)


def test_missing_key_is_told_with_the_choice_that_needs_it() -> None:
    assert problem_with(CRYPTO__PROVIDER="file").startswith(
        "CRYPTO__ECDH_PRIVATE_KEY_PATH: is missing, and is needed when CRYPTO__PROVIDER is file; accepts the path"
    )
    assert problem_with(CRYPTO__PROVIDER="hsm") == "CRYPTO__PROVIDER: is not valid; accepts raw or file"
