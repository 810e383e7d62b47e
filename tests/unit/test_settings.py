import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import fields

from shop.settings import (
    Passwords,
    Providers,
    Secret,
    Section,
    Settings,
    SocialProvider,
    Url,
    pairs,
)
from shop.settings_reading import SettingsError, listening, load

CONFIG = Path(__file__).parents[2] / "config" / "shop.toml"
STRONG = "kV3-x9Qm_Zr7Tn2LwB8yPd5HsJ4fGa6E"
PRODUCTION = {
    "SHOP_SITE_MODE": "production",
    "SHOP_SITE_URL": "https://shop.test",
    "SHOP_SECURITY_SECRET": STRONG,
}


def a_file(folder: Path, text: str) -> Path:
    file = folder / "shop.toml"
    file.write_text(text, encoding="utf-8")
    return file


def from_environment(**environ: str) -> Settings:
    settings, warnings = load(None, environ)
    assert warnings == ()
    return settings


def test_proxies_are_addresses_and_networks() -> None:
    told, _ = load(None, {"SHOP_HTTP_PROXIES": "10.0.0.0/8, ::1"})
    assert [str(one) for one in told.http.networks] == ["10.0.0.0/8", "::1/128"]
    assert "SHOP_HTTP_PROXIES" in refusal({"SHOP_HTTP_PROXIES": "10.0.0.1/8"})
    assert "such as" in refusal({"SHOP_HTTP_PROXIES": "proxy.local"})


def refusal(environ: Mapping[str, str], file: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(file, environ)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_without_file_and_environment_the_defaults_stand() -> None:
    settings = from_environment()
    assert settings == Settings()
    assert settings.database_url == "sqlite+aiosqlite:///var/shop.db"
    assert (settings.mail_url, settings.media_url) == ("file:var/mail", "file:var/media")


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = a_file(tmp_path, '[http]\nport = 80\nhost = "::1"\n[database]\nurl = "memory:"\n')
    settings, _ = load(file, {"SHOP_HTTP_PORT": "9001", "SHOP_LIMITS_ENABLED": "false"})
    assert (settings.http.port, settings.http.host) == (9001, "::1")
    assert settings.database_url == "memory:"
    assert settings.limits.enabled is False


def test_a_shop_that_was_told_of_no_address_is_found_at_its_port() -> None:
    assert from_environment(SHOP_HTTP_PORT="8123").site.url == "http://localhost:8123"
    assert from_environment(SHOP_HTTP_PORT="80").site.url == "http://localhost"
    told = {"SHOP_HTTP_PORT": "8123", "SHOP_SITE_URL": "http://localhost:8080"}
    assert from_environment(**told).site.url == "http://localhost:8080"


def test_a_port_that_the_system_chose_is_where_the_shop_is_found() -> None:
    untold = listening(from_environment(SHOP_HTTP_PORT="0"), 40123, 9000)
    assert (untold.http.port, untold.site.url) == (40123, "http://localhost:40123")
    told = from_environment(SHOP_HTTP_PORT="0", SHOP_SITE_URL="http://localhost:8000")
    assert listening(told, 40123, 9000).site.url == "http://localhost:8000"


def test_an_option_goes_before_the_environment_and_the_address_goes_along() -> None:
    settings, _ = load(None, {"SHOP_HTTP_PORT": "8001"}, {("http", "port"): 8002})
    assert (settings.http.port, settings.site.url) == (8002, "http://localhost:8002")
    with pytest.raises(SettingsError, match=r"^--host: "):
        load(None, {}, {("http", "host"): ""})


def test_addresses_follow_the_data_folder_and_name_the_driver() -> None:
    settings = from_environment(SHOP_DATA_DIR="/data")
    assert settings.database_url == "sqlite+aiosqlite:////data/shop.db"
    assert settings.mail_url == "file:/data/mail"
    settings = from_environment(SHOP_DATABASE_URL="sqlite:///a.db")
    assert settings.database_url == "sqlite+aiosqlite:///a.db"


def test_the_sender_is_written_from() -> None:
    assert from_environment(SHOP_MAIL_FROM="a@b.test").mail.from_ == "a@b.test"
    assert refusal({"SHOP_MAIL_FROM": "a@b.test\nBcc: c@d.test"}).startswith("SHOP_MAIL_FROM: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http]\nprot = 1", "http.prot: there is no such setting; [http] has host, port, "),
        ("[htp]\nport = 1", "there is no section [htp]; known are site, data, http"),
        ("http = 1", "http must be a section, written [http]."),
        ('[http]\nport = "80"', "http.port: Expected `int`, got `str`."),
        ("[mail]\nurl = 1", "mail.url: Expected `str`"),
        ("[http", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_its_own_words(tmp_path: Path, text: str, said: str) -> None:
    file = a_file(tmp_path, text)
    line = refusal({}, file)
    assert line.startswith(f"{file}: ")
    assert said in line


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refusal({}, tmp_path / "none.toml").startswith(
        f"{tmp_path / 'none.toml'}: cannot be read"
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHOP_HTTP_PROT", "1", "there is no such setting; [http] has host, port, "),
        ("SHOP_HTTP_PORT", "http", "Expected `int`"),
        ("SHOP_HTTP_PORT", "65536", "Expected `int` <= 65535."),
        ("SHOP_SITE_MODE", "prod", "must be one of development, production."),
        ("SHOP_LOG_LEVEL", "INFO", "must be one of debug, info, warning, error."),
        ("SHOP_SITE_URL", "shop.test", "must be http:// or https:// and a host"),
        ("SHOP_SITE_URL", "http://[", "must be http:// or https:// and a host"),
        ("SHOP_SITE_URL", "https://shop.test/de", "without a path"),
        ("SHOP_DATABASE_URL", "oracle://a:b@c/d", "is not supported; use sqlite+aiosqlite: or"),
        ("SHOP_CACHE_URL", "", "is not supported; use memory: or redis:"),
        ("SHOP_BUS_URL", "nats://c:1", "is not supported; use database: or kafka:."),
        ("SHOP_MAIL_URL", "imap://c", "use file: or memory: or smtp: or smtps:."),
        ("SHOP_MAIL_URL", "smtp:c", "must be smtp://user:password@host:port or smtps://…."),
        ("SHOP_MAIL_URL", "smtp://c:x", "must be smtp://user:password@host:port or smtps://…."),
        ("SHOP_MAIL_URL", "smtp://c/d", "must be smtp://user:password@host:port or smtps://…."),
        ("SHOP_MAIL_URL", "smtp://c?starttls=maybe", "starttls=required or starttls=never"),
        ("SHOP_MAIL_URL", "smtps://c?starttls=never", "starttls=never may stand, with smtp://."),
        ("SHOP_MAIL_URL", "smtp://c?tls=1", "behind ? only starttls"),
        ("SHOP_MAIL_URL", "smtp://a:b@c?starttls=never", "is allowed for localhost only."),
        ("SHOP_MEDIA_URL", "ftp://c", "use file: or memory: or s3:."),
        ("SHOP_MEDIA_URL", "s3:bucket", "must be s3://bucket or s3://bucket/prefix."),
        ("SHOP_MEDIA_URL", "s3://bucket/../x", "must be s3://bucket or s3://bucket/prefix."),
        ("SHOP_SEARCH_URL", "opensearch://c", "use embedded: or database:."),
        ("SHOP_LOG_FORMAT", "xml", "must be one of json, ecs, console."),
        ("SHOP_TRACES_URL", "grpc://a:1", "must be the http:// or https:// address of an OTLP"),
        ("SHOP_TRACES_URL", "http://a:b@c", "what opens it goes into traces.headers."),
        ("SHOP_TRACES_RATIO", "1.5", "Expected `float` <= 1.0."),
        ("SHOP_TRACES_ATTRIBUTES", "team", "must be name=value pairs with commas between them."),
        ("SHOP_TRACES_HEADERS", "a:b@c", "must be name=value pairs with commas between them."),
        ("SHOP_SECURITY_SECRET", "short", "is too short; give at least 32 random characters."),
    ],
)
def test_a_wrong_variable_is_named_with_what_is_allowed(name: str, value: str, said: str) -> None:
    line = refusal({name: value})
    assert line.startswith(f"{name}: ")
    assert said in line
    assert "a:b@" not in line


def test_spans_go_to_the_usual_path_unless_another_is_named() -> None:
    for url, endpoint in (
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://c.example/otlp/v1/traces", "https://c.example/otlp/v1/traces"),
    ):
        assert load(None, {"SHOP_TRACES_URL": url})[0].traces.endpoint == endpoint
    assert pairs("a.b=1, c=Bearer%20x%2Cy,") == {"a.b": "1", "c": "Bearer x,y"}


def test_an_unknown_name_is_only_reported() -> None:
    settings, warnings = load(None, {"SHOP_WINDOW": "x", "SHOP_SITE": "y", "HOME": "/"})
    assert settings == Settings()
    assert warnings == (
        "SHOP_SITE is not a setting and was ignored.",
        "SHOP_WINDOW is not a setting and was ignored.",
    )


@pytest.mark.parametrize(
    "name",
    [
        "SHOP_ADMIN_PASSWORD",
        "SHOP_PORT",
        "SHOP_SERVICE_HOST",
        "SHOP_API_SERVICE_HOST",
        "SHOP_HTTP_SERVICE_PORT",
        "SHOP_HTTP_SERVICE_PORT_WEB",
        "SHOP_HTTP_PORT",
        "SHOP_HTTP_PORT_8000_TCP",
        "SHOP_API_PORT_8000_TCP_ADDR",
        "SHOP_PORT_8000_TCP_PROTO",
    ],
)
def test_what_the_platform_sets_is_no_setting(name: str) -> None:
    assert from_environment(**{name: "tcp://10.0.0.1:8000"}) == Settings()


def test_a_value_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(STRONG + "\n", encoding="utf-8")
    settings = from_environment(SHOP_SECURITY_SECRET_FILE=str(file))
    assert settings.security.secret.reveal() == STRONG


def test_only_one_newline_is_taken_off_a_value_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "name"
    file.write_text("Shop \n\n", encoding="utf-8")
    assert from_environment(SHOP_SITE_NAME_FILE=str(file)).site.name == "Shop \n"


def test_a_value_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(STRONG, encoding="utf-8")
    line = refusal({"SHOP_SECURITY_SECRET": STRONG, "SHOP_SECURITY_SECRET_FILE": str(file)})
    assert "SHOP_SECURITY_SECRET_FILE" in line
    assert "SHOP_SECURITY_SECRET is set as well" in line


def test_a_value_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    line = refusal({"SHOP_SECURITY_SECRET_FILE": str(tmp_path / "none")})
    assert line.startswith("SHOP_SECURITY_SECRET_FILE: ")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff")
    assert "UTF-8" in refusal({"SHOP_SECURITY_SECRET_FILE": str(binary)})
    assert "no such setting" in refusal({"SHOP_SECURITY_KEY_FILE": "x"})


def test_production_starts_with_a_strong_secret_and_https() -> None:
    settings = from_environment(**PRODUCTION)
    assert settings.site.production
    assert from_environment(
        **PRODUCTION | {"SHOP_SITE_URL": "http://localhost:8000/"}
    ).site.url == ("http://localhost:8000")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHOP_SECURITY_SECRET", "", "is required in production"),
        ("SHOP_SECURITY_SECRET", "x" * 40, "is a development value"),
        ("SHOP_SECURITY_SECRET", "change-me-please-0123456789-abcdefgh", "is a development value"),
        ("SHOP_SITE_URL", "http://shop.test", "must be https:// in production"),
    ],
)
def test_production_refuses_what_is_good_enough_at_home(name: str, value: str, said: str) -> None:
    line = refusal(PRODUCTION | {name: value})
    assert line.startswith(f"{name}: {said}")


def test_a_razorpay_shop_says_which_keys_it_lacks(tmp_path: Path) -> None:
    file = a_file(tmp_path, '[payments]\nprovider = "razorpay"\n[razorpay]\nkey_secret = ""\n')
    line = refusal({"SHOP_RAZORPAY_KEY_ID": "rzp_1"}, file)
    assert line.startswith(f"{file}: payments.provider: razorpay also needs {file}: ")
    assert line.endswith("razorpay.key_secret, SHOP_RAZORPAY_WEBHOOK_SECRET.")
    keys = {f"SHOP_RAZORPAY_{key}": "x" for key in ("KEY_ID", "KEY_SECRET", "WEBHOOK_SECRET")}
    whole = keys | {"SHOP_PAYMENTS_PROVIDER": "razorpay"}
    assert load(None, whole)[0].razorpay.webhook_secrets == ("x",)
    both = load(None, whole | {"SHOP_RAZORPAY_OLD_WEBHOOK_SECRET": "one before"})[0]
    assert both.razorpay.webhook_secrets == ("x", "one before")
    for name, value, said in (
        ("URL", "http://api.example", "must be https:// (http:// only for localhost)."),
        ("URL", "ftp://api.example", "must be https:// and a host, without a user."),
        ("URL", "https://me:secret@api.example", "must be https:// and a host, without a user."),
    ):
        assert refusal(whole | {f"SHOP_RAZORPAY_{name}": value}) == f"SHOP_RAZORPAY_{name}: {said}"


def test_no_secret_shows_in_a_repr() -> None:
    settings = from_environment(
        SHOP_SECURITY_SECRET=STRONG, SHOP_RAZORPAY_URL="https://user:hidden@api.test/v1"
    )
    for shown in (repr(settings), str(settings), f"{settings.security.secret}"):
        assert STRONG not in shown
        assert "hidden" not in shown
    assert repr(Url("mysql://user:hidden@db/shop")) == "'mysql://***@db/shop'"
    assert repr(Url("mysql://user:hid/den@db/shop")) == "'mysql://***@db/shop'"
    assert Secret("a") == Secret("a") != Secret("b")
    assert not Secret("")
    assert len({Secret("a"), Secret("a")}) == 1


def test_the_hash_pool_leaves_a_core_to_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((None, 1), (1, 1), (2, 1), (8, 7)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert Passwords().pool_size == threads
    assert Passwords(threads=3).pool_size == 3


def test_an_address_has_lines() -> None:
    assert Settings().tax.seller_address_lines[-1] == "Bengaluru 560001"


def test_a_coupon_comes_from_the_file(tmp_path: Path) -> None:
    file = a_file(tmp_path, '[pricing]\ncoupons = [{ code = "WELCOME10", value = 10 }]')
    (coupon,) = load(file, {})[0].pricing.coupons
    assert (coupon.code, coupon.kind, coupon.value) == ("WELCOME10", "percent", 10)
    file = a_file(tmp_path, '[pricing]\ncoupons = [{ code = "WELCOME10", value = 0 }]')
    assert refusal({}, file).startswith(f"{file}: pricing.coupons: Expected `int` >= 1")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().http.port = 1  # type: ignore[misc]


def test_the_shipped_file_parses_and_changes_nothing() -> None:
    assert load(CONFIG, {}) == (Settings(), ())


def test_the_shipped_file_names_every_key_with_its_default(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=\w+ = )", "", CONFIG.read_text(encoding="utf-8"), flags=re.MULTILINE)
    file = a_file(tmp_path, text)
    assert load(file, {}) == (Settings(), ())
    for section in fields(Settings):
        if section.type is Providers:
            continue
        table = text.partition(f"\n[{section.name}]\n")[2].partition("\n\n")[0]
        keys = re.findall(r"^(\w+) = .+  # \S", table, flags=re.MULTILINE)
        assert keys == [key.encode_name for key in fields(section.type)]


def test_a_section_refuses_what_it_does_not_know() -> None:
    assert all(issubclass(section.type, Section) for section in fields(Settings))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"prot": 1}, Settings)


# --- providers to sign in with ---


def test_the_shipped_file_shows_every_key_of_a_provider() -> None:
    example = CONFIG.read_text(encoding="utf-8").partition("#   [providers.google]\n")[2]
    keys = re.findall(r"^#   (\w+) = .+  # \S", example, flags=re.MULTILINE)
    assert keys == [key.encode_name for key in fields(SocialProvider)]


def test_a_provider_is_named_by_its_section(tmp_path: Path) -> None:
    text = (
        '[providers.google]\nclient_id = "g"\n[providers.acme]\nissuer = "https://id.acme.test"\n'
    )
    file = a_file(tmp_path, text)
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    environ = {
        "SHOP_PROVIDERS_ACME_CLIENT_ID": "a",
        "SHOP_PROVIDERS_ACME_CLIENT_SECRET_FILE": str(secret),
    }
    settings, warnings = load(file, environ)
    google, acme = settings.providers.named["google"], settings.providers.named["acme"]
    assert warnings == ()
    assert (google.client_id, google.title) == ("g", "Google")
    assert google.issuer == "https://accounts.google.com"
    assert (acme.client_id, acme.client_secret.reveal(), acme.title) == ("a", "s3cret", "Acme")
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"SHOP_PROVIDERS_GOOGLE_TITLE": "G"}, "SHOP_PROVIDERS_GOOGLE_CLIENT_ID: is required"),
        ({"SHOP_PROVIDERS_ACME_CLIENT_ID": "a"}, "SHOP_PROVIDERS_ACME_ISSUER: must be the https"),
        (
            {"SHOP_PROVIDERS_ACME_CLIENT_ID": "a", "SHOP_PROVIDERS_ACME_ISSUER": "http://id.test"},
            "SHOP_PROVIDERS_ACME_ISSUER: must be the https",
        ),
        (
            {**PRODUCTION, "SHOP_PROVIDERS_ACME_CLIENT_ID": "a"}
            | {"SHOP_PROVIDERS_ACME_ISSUER": "http://localhost:8080"},
            "SHOP_PROVIDERS_ACME_ISSUER: must be the https",
        ),
        (
            {"SHOP_PROVIDERS_GOOGLE_CLIENT_ID": "g", "SHOP_PROVIDERS_GOOGLE_ISSUER": "https://a?b"},
            "SHOP_PROVIDERS_GOOGLE_ISSUER: must have no ?",
        ),
        ({"SHOP_PROVIDERS_GOOGLE_CLIENTID": "g"}, "there is no such setting; [providers.google] "),
        ({"SHOP_PROVIDERS_GOOGLE_SCOPES": "email"}, "SHOP_PROVIDERS_GOOGLE_SCOPES: Expected"),
    ],
)
def test_a_provider_that_cannot_work_stops_the_start(environ: dict[str, str], said: str) -> None:
    assert said in refusal(environ)


def test_a_provider_of_this_machine_is_for_development() -> None:
    settings = from_environment(
        SHOP_PROVIDERS_ACME_CLIENT_ID="a", SHOP_PROVIDERS_ACME_ISSUER="http://localhost:8080"
    )
    assert settings.providers.named["acme"].issuer == "http://localhost:8080"


def test_a_provider_needs_a_plain_name(tmp_path: Path) -> None:
    file = a_file(tmp_path, '[providers.My-Id]\nclient_id = "a"\n')
    assert "its name is made of a-z and 0-9" in refusal({}, file)
    file = a_file(tmp_path, '[providers]\nclient_id = "a"\n')
    assert "providers.client_id must be a section" in refusal({}, file)


def test_a_mail_server_may_have_a_password_where_it_is_not_heard() -> None:
    for url in (
        "smtps://a:b@mail.example",
        "smtp://a:b@mail.example:2525/",
        "smtp://a:b@localhost?starttls=never",
        "smtp://catcher:1025?starttls=never",
    ):
        settings, _ = load(None, {"SHOP_MAIL_URL": url})
        assert settings.mail_url == url
        assert "a:b" not in repr(settings)


def test_a_bucket_has_an_endpoint_without_a_path_and_both_halves_of_a_key() -> None:
    bucket = {"SHOP_MEDIA_URL": "s3://pictures/of/the-shop"}
    whole = bucket | {
        "SHOP_MEDIA_ENDPOINT": "http://localhost:8333",
        "SHOP_MEDIA_KEY_ID": "id",
        "SHOP_MEDIA_KEY_SECRET": "very secret",
    }
    settings, _ = load(None, whole)
    assert settings.media.key_secret.reveal() == "very secret"
    assert "very secret" not in repr(settings)
    line = refusal(bucket | {"SHOP_MEDIA_ENDPOINT": "http://localhost:8333/path"})
    assert line.startswith("SHOP_MEDIA_ENDPOINT: must be https:// or http:// and a host")
    line = refusal(bucket | {"SHOP_MEDIA_KEY_ID": "id"})
    assert line == "SHOP_MEDIA_KEY_ID: must be given together with SHOP_MEDIA_KEY_SECRET."


def test_the_settings_of_a_real_deployment_need_only_their_secrets() -> None:
    file = Path(__file__).parents[2] / "config" / "servers.toml"
    line = refusal({}, file)
    assert line.startswith(f"{file}: payments.provider: razorpay also needs SHOP_RAZORPAY_KEY_SEC")
    secrets = {
        "SHOP_SECURITY_SECRET": STRONG,
        "SHOP_RAZORPAY_KEY_SECRET": "x",
        "SHOP_RAZORPAY_WEBHOOK_SECRET": "x",
    }
    settings, warnings = load(file, secrets)
    assert settings.site.production
    assert settings.shares_database
    assert warnings == ()


@pytest.mark.parametrize(
    "url", ["mysql://user:word@host", "mysql:///name", "mysql://host/a/b", "mysql://u:p@ss#w@h/n"]
)
def test_a_server_is_named_whole(url: str) -> None:
    line = refusal({"SHOP_DATABASE_URL": url})
    assert line.startswith("SHOP_DATABASE_URL: must be mysql://user:password@host/name")
    assert "word" not in line.replace("password", "")


def test_a_server_on_mysql_is_shared_and_takes_options_for_tls() -> None:
    url = "mysql://user:word@host:3307/name?ssl_ca=/etc/ca.pem"
    settings, warnings = load(None, {"SHOP_DATABASE_URL": url})
    assert settings.database_url == f"mysql+asyncmy:{url.removeprefix('mysql:')}"
    assert settings.shares_database
    assert warnings == ()
    assert not load(None, {})[0].shares_database
    for options, said in (
        ("sslca=/etc/ca.pem", "its options are ssl, ssl_ca, "),
        ("ssl_ca=", "each option is given once"),
        ("ssl=true&ssl=false", "each option is given once"),
        ("ssl=yes", "ssl is true or false"),
        ("ssl_ca=/ca.pem&ssl_check_hostname=0", "ssl_check_hostname is true or false"),
        ("ssl=false&ssl_ca=/ca.pem", "with ssl=false, no other option"),
        ("ssl_key=/key.pem", "ssl_key needs ssl_cert"),
    ):
        line = refusal({"SHOP_DATABASE_URL": f"mysql://host/name?{options}"})
        assert line.startswith(f"SHOP_DATABASE_URL: {said}")
