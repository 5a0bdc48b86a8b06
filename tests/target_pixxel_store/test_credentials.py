"""Credentials: references lead to values, mistakes are named, and no value is ever shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
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
LINES = ["no-key-just-text-of-its-length", "and-another-line-of-the-same", "short=="]
HEADER, FOOTER = (f"{'-' * 5}{word} PRIVATE KEY{'-' * 5}" for word in ("BEGIN", "END"))
PEM = "\n".join([HEADER, *LINES, FOOTER, ""])
ACCOUNT = {"client_email": "a@b", "private_key": PEM, "private_key_id": "0123456789abcdef"}


def lines_of(entry: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(CredentialsError) as caught:
        resolve_credentials("prod", entry)
    return caught.value.lines


def test_texts_are_taken_as_they_are() -> None:
    made = resolve_credentials("prod", S3 | {"version": 3})
    assert (made.name, made.values, made.version) == ("prod", S3, "3")
    assert resolve_credentials("prod", S3 | {"version": "2026-01"}).version == "2026-01"
    assert resolve_credentials("prod", S3).version is None


def test_references_lead_to_the_environment_and_to_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KEY_OF_TEST", "key-of-the-test")
    (tmp_path / "secret").write_text("s3cret-of-the-test\r\n", newline="")
    entry = {"access_key_id": "env:KEY_OF_TEST", "secret_access_key": "file:~/secret"}
    assert resolve_credentials("prod", entry).values == S3


def test_only_the_last_line_end_of_a_file_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(" {\n}\n\n")
    entry = {"service_account_credentials": f"file:{file}"}
    assert resolve_credentials("prod", entry).values["service_account_credentials"] == " {\n}\n"


def test_a_service_account_may_be_an_object_of_the_settings() -> None:
    made = resolve_credentials("prod", {"project_id": "p", "service_account_credentials": ACCOUNT})
    assert json.loads(made.values["service_account_credentials"]) == ACCOUNT


def test_a_reference_that_leads_nowhere_is_named_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    monkeypatch.setenv("EMPTY", " ")
    (tmp_path / "image").write_bytes(b"\xff\xfe\xfd s3cret")
    found = lines_of(
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
    assert found == (
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
    assert "s3cret" not in "".join(found)


def test_a_truth_value_is_no_version() -> None:
    assert lines_of(S3 | {"version": True}) == (
        "Setting 'credentials.prod.version': must be a string or an integer",
    )


def test_an_error_is_one_of_the_users_input() -> None:
    assert issubclass(CredentialsError, InputError)


def test_credentials_do_not_show_their_values() -> None:
    made = Credentials("prod", S3, "3")
    assert repr(made) == str(made) == "Credentials(name='prod', version='3')"
    assert f"{[made]}" == "[Credentials(name='prod', version='3')]"


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
def test_missing_and_superfluous_keys_are_named(
    entry: dict[str, Any], store_type: str | None, expected: list[str]
) -> None:
    assert validate_credentials("prod", entry, store_type) == expected


def redacted(credentials: Credentials, text: str) -> str:
    redact = Redactor()
    redact.add(iter_secrets(credentials))
    return redact(text)


def test_what_says_where_stays_readable_and_what_opens_does_not() -> None:
    values = {key: f"the-{key}" for keys in KEYS_BY_STORE_TYPE.values() for key in keys}
    text = redacted(Credentials("prod", values, None), " ".join(sorted(values.values())))
    assert text.replace("[redacted]", "-").split() == [
        *("-", "the-account_name", "-", "-", "the-project_id"),
        *("-", "-", "the-tenant_id"),
    ]


@pytest.mark.parametrize("text", [json.dumps(ACCOUNT), json.dumps(ACCOUNT)[:-1], PEM])
def test_a_private_key_is_hidden_whole_and_line_by_line(text: str) -> None:
    credentials = Credentials("prod", {"service_account_credentials": text}, None)
    shown = [text, PEM, json.dumps(PEM), repr(PEM), *LINES[:2]]
    for form in shown:
        left = redacted(credentials, f"it is {form} as said")
        assert [line for line in LINES[:2] if line in left] == []
    assert redacted(credentials, HEADER) == HEADER


def test_a_private_key_is_a_secret_as_it_is_and_as_json_writes_it() -> None:
    values = {"service_account_credentials": json.dumps(ACCOUNT)}
    secrets = set(iter_secrets(Credentials("prod", values, None)))
    assert {PEM, PEM.replace("\n", "\\n"), LINES[0]} <= secrets
    assert LINES[2] not in secrets


def test_the_id_of_a_private_key_is_hidden() -> None:
    values = {"service_account_credentials": json.dumps(ACCOUNT)}
    assert "0123456789abcdef" not in redacted(
        Credentials("prod", values, None), "key 0123456789abcdef"
    )
