//! Every token of the tables: one that is found, and one that is nearly one. No token here was ever issued: each is made of
//! letters in a fixed order.

use super::alphabet::Alphabet;
use super::checks::Code;
use super::tokens::{self, TokenShape};
use super::*;

/// Letters of an alphabet that look drawn; the same each time.
fn letters(alphabet: Alphabet, count: usize) -> Vec<u8> {
    let all: Vec<u8> = alphabet.letters().filter(u8::is_ascii_alphanumeric).collect();
    let mut state = 7_usize;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all[(state >> 33) % all.len()]
    };
    (0..count).map(|_| next()).collect()
}

fn finder() -> ContentFinder {
    ContentFinder::new(&RuleFilter::default())
}

/// The rules that find something in a text, with what they find.
fn matched(text: &[u8], coverage: ContentCoverage) -> Vec<(&'static str, Vec<u8>)> {
    finder().find(text, coverage).into_iter().map(|hit| (hit.rule.id, text[hit.secret].to_vec())).collect()
}

fn ids(text: &str, coverage: ContentCoverage) -> Vec<&'static str> {
    matched(text.as_bytes(), coverage).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn tokens_of_every_row_are_found_whole_and_shorter_or_longer_ones_are_not() {
    for token in tokens::all() {
        let TokenShape::Tail { alphabet, min, max } = token.shape else { continue };
        for literal in token.literals {
            let id = token.rule.id;
            let of = |count| [literal, letters(alphabet, count).as_slice()].concat();
            for count in [min, max.min(min + 9)] {
                let text = [b"key: \"".as_slice(), &of(count), b"\"\n"].concat();
                assert!(matched(&text, ContentCoverage::Strict).contains(&(id, of(count))), "{id} {count}");
            }
            let short = [b" ".as_slice(), &of(min - 1), b" "].concat();
            assert!(!ids_of(&short).contains(&id), "{id}: one letter less");
            let long = [b" ".as_slice(), &of(max + 1), b" "].concat();
            assert!(!ids_of(&long).contains(&id), "{id}: one letter more");
            let within = [b"abc".as_slice(), &of(min), b" "].concat();
            assert!(!ids_of(&within).contains(&id), "{id}: in the middle of a word");
            let same = [literal, vec![b'0'; min].as_slice()].concat();
            assert!(!ids_of(&same).contains(&id), "{id}: letters that nobody drew");
        }
    }
}

fn ids_of(text: &[u8]) -> Vec<&'static str> {
    matched(text, ContentCoverage::Strict).into_iter().map(|(id, _)| id).collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a case for each form")]
fn tokens_with_a_form_of_their_own_are_found_and_near_misses_are_not() {
    let text = |alphabet, count| String::from_utf8(letters(alphabet, count)).unwrap();
    let (word, base64, hex) =
        (text(Alphabet::Alphanumeric, 40), text(Alphabet::Base64, 86), text(Alphabet::Hex, 512));
    let id = format!("AKIA{}", text(Alphabet::Base32, 16));
    let jwt_parts = ["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "eyJzdWIiOiJhbGljZSIsImlhdCI6MTUxNjIzOTAyMn0"];
    let signature = text(Alphabet::Alphanumeric, 43);
    let cases = [
        ("aws-access-key", format!("key={id}\n"), format!("key={}\n", &id[..19])),
        ("aws-access-key", format!("'{id}'"), "AKIAIOSFODNN7EXAMPLE".to_owned()),
        (
            "aws-secret-key",
            format!("aws_secret_access_key = {word}\n"),
            format!("aws_secret_access_key = {}\n", &word[..39]),
        ),
        (
            "aws-secret-key",
            format!("\"SecretAccessKey\": \"{word}\""),
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n".to_owned(),
        ),
        (
            "aws-session-token",
            format!("AWS_SESSION_TOKEN={}\n", base64.repeat(2)),
            format!("AWS_SESSION_TOKEN={word}\n"),
        ),
        (
            "slack-webhook",
            format!("https://hooks.slack.com/services/T01234567/B01234567/{}", &word[..24]),
            "https://hooks.slack.com/services/T.../B.../...".to_owned(),
        ),
        (
            "discord-webhook",
            format!("https://discord.com/api/webhooks/123456789012345678/{word}{word}"),
            "https://discord.com/api/webhooks/ID/TOKEN".to_owned(),
        ),
        (
            "teams-webhook",
            format!("https://x.webhook.office.com/webhookb2/{word}@{word}/IncomingWebhook/{word}"),
            "https://x.webhook.office.com/webhookb2/".to_owned(),
        ),
        (
            "azure-storage-key",
            format!("AccountName=a;AccountKey={base64}==;x"),
            format!("AccountKey={};", &base64[..80]),
        ),
        (
            "azure-shared-access-key",
            format!("SharedAccessKey={}=", &base64[..43]),
            "SharedAccessKey=...".to_owned(),
        ),
        (
            "azure-sas",
            format!("SharedAccessSignature=sv=2020&sig={}%3D&se=1 ", &base64[..43]),
            "SharedAccessSignature=sv=2020&sig=...".to_owned(),
        ),
        (
            "openai-legacy-key",
            format!("sk-{}T3BlbkFJ{}", &word[..20], &word[20..]),
            format!("xx-{}T3BlbkFJ{}", &word[..20], &word[20..]),
        ),
        (
            "terraform-cloud-token",
            format!("token = \"{}.atlasv1.{word}{word}\"", &word[..14]),
            format!("x.atlasv1.{}", &word[..20]),
        ),
        (
            "terraform-variable",
            format!("export TF_VAR_db_password={}\n", &word[..16]),
            "TF_VAR_region=eu-west-1-or-so\n".to_owned(),
        ),
        (
            "terraform-variable",
            format!("TF_TOKEN_app_terraform_io={}\n", &word[..20]),
            "TF_TOKEN_app_terraform_io=$TOKEN\n".to_owned(),
        ),
        (
            "openvpn-static-key",
            format!("-----BEGIN OpenVPN Static key V1-----\n{}\n-----END", &hex[..64]),
            "-----BEGIN OpenVPN Static key V1-----\n...\n".to_owned(),
        ),
        (
            "jwt",
            format!("{}.{}.{signature}", jwt_parts[0], jwt_parts[1]),
            format!("{}.{}.", jwt_parts[0], jwt_parts[1]),
        ),
        (
            "jwt",
            format!("Bearer {}.{}.{signature}", jwt_parts[0], jwt_parts[1]),
            format!("{}.AAAAAAAAAAAA.{signature}", jwt_parts[0]),
        ),
        (
            "ansible-vault-password",
            "ansible_become_pass: hunter2x\n".to_owned(),
            "ansible_become_pass: '{{ vault }}'\n".to_owned(),
        ),
        (
            "password-variable",
            "export PGPASSWORD=hunter2x\n".to_owned(),
            "export PGPASSWORD=\"$DB_PASS\"\n".to_owned(),
        ),
        (
            "password-variable",
            "GITHUB_TOKEN=abcdef0123\n".to_owned(),
            "MY_GITHUB_TOKEN=abcdef0123\n".to_owned(),
        ),
    ];
    for (rule, positive, negative) in &cases {
        assert!(ids(positive, ContentCoverage::Strict).contains(rule), "{rule}: {positive}");
        assert!(!ids(negative, ContentCoverage::Strict).contains(rule), "{rule}: {negative}");
    }
    // Each check of its own has a case.
    for token in tokens::all() {
        if let TokenShape::Code(code) = token.shape {
            assert!(cases.iter().any(|(rule, ..)| *rule == token.rule.id), "{code:?}");
            assert!(code != Code::Jwt || token.rule.id == "jwt");
        }
    }
}

#[test]
fn passwords_in_texts_of_nobody_are_found_and_templates_are_not() {
    let cases = [
        (
            "url-password",
            "postgres://app:hunter2x@db.internal:5432/app",
            "postgres://app:${PASSWORD}@db:5432/app",
        ),
        ("url-password", "amqp://u1:s3cretpw@mq/", "http://user:password@example.com/"),
        ("url-password", "redis://default:pw-12345@10.0.0.1", "https://host:8080/path@x"),
        ("command-line-password", "curl -u admin:hunter2x https://x\n", "curl -u admin https://x\n"),
        ("command-line-password", "mysql -uroot -phunter2x db\n", "mysql -uroot -p db\n"),
        ("command-line-password", "mysqldump --password=hunter2x db\n", "mysqldump --password=\"$PW\" db\n"),
        ("command-line-password", "sshpass -p hunter2x ssh x\n", "sshpass -e ssh x\n"),
        (
            "command-line-password",
            "docker login -u me -p hunter2x reg\n",
            "docker login --password-stdin reg\n",
        ),
        (
            "command-line-password",
            "echo 'root:hunter2x' | chpasswd\n",
            "echo \"$user:$password\" | chpasswd\n",
        ),
        ("password-assignment", "db_password = \"S3cr3tPassw0rd\"\n", "db_password = \"\"\n"),
        (
            "password-assignment",
            "  \"apiKey\": \"aB3dE5gH7jK9mN\",\n",
            "  \"apiKey\": \"process.env.KEY\",\n",
        ),
        ("password-assignment", "spring.datasource.password=Xk39fjQ2\n", "# password=Xk39fjQ2\n"),
    ];
    for (rule, positive, negative) in cases {
        assert!(ids(positive, ContentCoverage::Full).contains(&rule), "{rule}: {positive}");
        assert!(!ids(negative, ContentCoverage::Full).contains(&rule), "{rule}: {negative}");
        assert!(!ids(positive, ContentCoverage::Strict).contains(&rule), "{rule} is not a strict rule");
    }
    let word = String::from_utf8(letters(Alphabet::Alphanumeric, 80)).unwrap();
    let hex = String::from_utf8(letters(Alphabet::Hex, 32)).unwrap();
    for (rule, positive, negative) in [
        (
            "sendgrid-key",
            format!("SG.{}.{}", &word[..22], &word[22..65]),
            format!("SG.{}.{}", &word[..21], &word[22..65]),
        ),
        ("hugging-face-user-token", format!("hf_{}", &word[..34]), format!("hf_{}", &word[..33])),
        ("twilio-key", format!("twilio SK{hex}"), format!("SK{hex}")),
        (
            "azure-client-secret",
            format!("'{}8Q~{}'", &word[..3], &word[3..37]),
            format!("'{}xQ~{}'", &word[..3], &word[3..37]),
        ),
    ] {
        assert!(ids(&positive, ContentCoverage::Full).contains(&rule), "{rule}: {positive}");
        assert!(!ids(&negative, ContentCoverage::Full).contains(&rule), "{rule}: {negative}");
    }
}

#[test]
fn private_keys_are_found_at_their_markers() {
    let body = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    let key = format!("x\n-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    assert_eq!(ids(&key, ContentCoverage::Strict), ["private-key"]);
    assert_eq!(ids(&key.replace("PRIVATE", "PUBLIC"), ContentCoverage::Strict), [""; 0]);
}

#[test]
fn a_filter_leaves_the_other_rules_out() {
    let finder = ContentFinder::new(&RuleFilter::new(["github-token"]).unwrap());
    let token = [b"ghp_".as_slice(), &letters(Alphabet::Alphanumeric, 36)].concat();
    let text = [token.as_slice(), b" postgres://a:hunter2x@db/x"].concat();
    let rules: Vec<_> =
        finder.find(&text, ContentCoverage::Full).into_iter().map(|hit| hit.rule.id).collect();
    assert_eq!(rules, ["github-token"]);
}

#[test]
fn any_bytes_can_be_searched() {
    let finder = finder();
    let literals: Vec<&[u8]> = tokens::all().flat_map(|token| token.literals.iter().copied()).collect();
    let mut state = 3_usize;
    for round in 0..3000 {
        let mut text = Vec::new();
        for _ in 0..6 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = state >> 33;
            text.extend_from_slice(literals[pick % literals.len()]);
            text.extend((0..pick % 50).map(|at| (pick >> (at % 20)) as u8));
        }
        text.truncate(round % 300);
        finder.find(&text, ContentCoverage::Full);
    }
}
