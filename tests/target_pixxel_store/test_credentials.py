"""Credentials: references are resolved, errors name the setting, and no value is printed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.redaction import Redactor
from target_pixxel_store.credentials import (
    KEYS_BY_STORE_TYPE,
    Credentials,
    iter_secrets,
    resolve_credentials,
    validate_credentials,
)
from target_pixxel_store.errors import CredentialsError

if TYPE_CHECKING:
    from pathlib import Path

S3 = {"access_key_id": "key-of-the-test", "secret_access_key": "s3cret-of-the-test"}
KEY_LINES = ["no-key-just-text-of-its-length", "and-another-line-of-the-same", "short=="]
HEADER, FOOTER = (f"{'-' * 5}{word} PRIVATE KEY{'-' * 5}" for word in ("BEGIN", "END"))
PEM = "\n".join([HEADER, *KEY_LINES, FOOTER, ""])
SERVICE_ACCOUNT = {"client_email": "a@b", "private_key": PEM, "private_key_id": "0123456789abcdef"}


def expect_error_lines(entry: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(CredentialsError) as caught:
        resolve_credentials("prod", entry)
    return caught.value.lines


def test_resolve_credentials_plain_text_kept() -> None:
    credentials = resolve_credentials("prod", S3 | {"version": 3})
    assert (credentials.name, credentials.values, credentials.version) == ("prod", S3, "3")
    assert resolve_credentials("prod", S3 | {"version": "2026-01"}).version == "2026-01"
    assert resolve_credentials("prod", S3).version is None


def test_resolve_credentials_references_read_variable_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KEY_OF_TEST", "key-of-the-test")
    (tmp_path / "secret").write_text("s3cret-of-the-test\r\n", newline="")
    entry = {"access_key_id": "env:KEY_OF_TEST", "secret_access_key": "file:~/secret"}
    assert resolve_credentials("prod", entry).values == S3


def test_resolve_credentials_file_drops_last_newline_only(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(" {\n}\n\n")
    entry = {"service_account_credentials": f"file:{file}"}
    assert resolve_credentials("prod", entry).values["service_account_credentials"] == " {\n}\n"


def test_resolve_credentials_service_account_object_serialized() -> None:
    credentials = resolve_credentials(
        "prod", {"project_id": "p", "service_account_credentials": SERVICE_ACCOUNT}
    )
    assert json.loads(credentials.values["service_account_credentials"]) == SERVICE_ACCOUNT


def test_resolve_credentials_unusable_values_named_without_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    monkeypatch.setenv("EMPTY", " ")
    (tmp_path / "image").write_bytes(b"\xff\xfe\xfd s3cret")
    lines = expect_error_lines(
        {
            "access_key_id": "env:NO_SUCH",
            "secret_access_key": f"file:{tmp_path}/none",
            "client_id": f"file:{tmp_path}",
            "client_secret": f"file:{tmp_path}/image",
            "tenant_id": "env:EMPTY",
            "account_name": "",
            "project_id": ["s3cret"],
            "service_account_credentials": 5,
            "version": {"s3cret": 1},
        }
    )
    setting = "Setting 'credentials.prod."
    assert lines == (
        f"{setting}access_key_id': the environment variable NO_SUCH is not set",
        (
            f"{setting}secret_access_key': the file '{tmp_path}/none' cannot be read: "
            "No such file or directory"
        ),
        f"{setting}client_id': the file '{tmp_path}' cannot be read: Is a directory",
        f"{setting}client_secret': the file '{tmp_path}/image' is not UTF-8 text",
        f"{setting}tenant_id': the environment variable EMPTY is empty",
        f"{setting}account_name': the value is empty",
        f"{setting}project_id': must be a string, or a reference env:NAME or file:PATH",
        (
            f"{setting}service_account_credentials': must be a string, or a reference env:NAME or "
            "file:PATH"
        ),
        f"{setting}version': must be a string or an integer",
    )
    assert "s3cret" not in "".join(lines)


def test_credentials_repr_hides_values() -> None:
    credentials = Credentials("prod", S3, "3")
    assert repr(credentials) == str(credentials) == "Credentials(name='prod', version='3')"
    assert f"{[credentials]}" == "[Credentials(name='prod', version='3')]"


@pytest.mark.parametrize(
    ("entry", "store_type", "expected"),
    [
        (S3, "S3", []),
        (S3 | {"version": 1, "tenant_id": None}, "S3", []),
        (
            {"access_key_id": "s3cret", "tenant_id": "s3cret"},
            "S3",
            [
                (
                    "Setting 'credentials.prod' lacks secret_access_key, and has tenant_id, which "
                    "S3 stores do not have"
                )
            ],
        ),
        (
            S3,
            "GCS",
            [
                (
                    "Setting 'credentials.prod' lacks project_id and service_account_credentials, "
                    "and has access_key_id and secret_access_key, which GCS stores do not have"
                )
            ],
        ),
        ({}, "S3", ["Setting 'credentials.prod' lacks access_key_id and secret_access_key"]),
        (
            S3 | {"session_token": "s3cret"},
            "S3",
            ["Setting 'credentials.prod' has session_token, which S3 stores do not have"],
        ),
        (S3, None, []),
        (dict.fromkeys(KEYS_BY_STORE_TYPE["AZBLOB"], "s3cret"), None, []),
        (
            S3 | {"tenant_id": "s3cret"},
            None,
            [
                (
                    "Setting 'credentials.prod' must have the keys of one type of store: S3 "
                    "requires access_key_id and secret_access_key; AZBLOB requires account_name, "
                    "client_id, client_secret and tenant_id; GCS requires project_id and "
                    "service_account_credentials"
                )
            ],
        ),
    ],
)
def test_validate_credentials_wrong_keys_named(
    entry: dict[str, Any], store_type: str | None, expected: list[str]
) -> None:
    assert validate_credentials("prod", entry, store_type) == expected


def redact_secrets(credentials: Credentials, text: str) -> str:
    redact = Redactor()
    redact.add(iter_secrets(credentials))
    return redact(text)


def test_iter_secrets_all_keys_only_secret_keys_redacted() -> None:
    values = {key: f"the-{key}" for keys in KEYS_BY_STORE_TYPE.values() for key in keys}
    text = redact_secrets(Credentials("prod", values, None), " ".join(sorted(values.values())))
    assert text.replace("[redacted]", "-").split() == [
        *("-", "the-account_name", "-", "-", "the-project_id"),
        *("-", "-", "the-tenant_id"),
    ]


@pytest.mark.parametrize(
    "text", [json.dumps(SERVICE_ACCOUNT), json.dumps(SERVICE_ACCOUNT)[:-1], PEM]
)
def test_redactor_private_key_hidden_whole_and_by_line(text: str) -> None:
    credentials = Credentials("prod", {"service_account_credentials": text}, None)
    forms = [text, PEM, json.dumps(PEM), repr(PEM), *KEY_LINES[:2]]
    for form in forms:
        output = redact_secrets(credentials, f"it is {form} as said")
        assert [line for line in KEY_LINES[:2] if line in output] == []
    assert redact_secrets(credentials, HEADER) == HEADER


def test_redactor_private_key_id_hidden() -> None:
    values = {"service_account_credentials": json.dumps(SERVICE_ACCOUNT)}
    assert "0123456789abcdef" not in redact_secrets(
        Credentials("prod", values, None), "key 0123456789abcdef"
    )
