//! Tokens and passwords of clouds and services, in the files where their programs keep them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::secrets::Secret;
use super::tool::{letters, random, word};

const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn aws() -> String {
    let id = format!("{}{}", "AK".to_owned() + "IA", letters(UPPER, 16));
    format!(
        "[default]\naws_access_key_id = {id}\naws_secret_access_key = {}\n",
        letters(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/+", 40)
    )
}

fn github() -> String {
    // The last six letters are a checksum, which only some tools check.
    format!("{}{}", "gh".to_owned() + "p_", word(36))
}

fn docker() -> String {
    let auth = STANDARD.encode(format!("deploy:{}", word(20)));
    format!("{{\"auths\":{{\"registry.internal\":{{\"auth\":\"{auth}\"}}}}}}\n")
}

fn kubeconfig() -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters: []\nusers:\n- name: admin\n  user:\n    token: {}\n",
        word(43)
    )
}

fn service_account() -> String {
    let key = STANDARD.encode(random(600));
    let begin = format!("-----BEGIN {} KEY-----", "PRIVATE");
    format!(
        "{{\n \"type\": \"service_account\",\n \"project_id\": \"p\",\n \"private_key_id\": \"{}\",\n \"private_key\": \
         \"{begin}\\n{key}\\n-----END {} KEY-----\\n\",\n \"client_email\": \"a@p.iam.gserviceaccount.com\"\n}}\n",
        letters(b"0123456789abcdef", 40),
        "PRIVATE"
    )
}

/// The tokens.
#[expect(clippy::too_many_lines, reason = "one case after another")]
pub(crate) fn secrets() -> Vec<Secret> {
    let slack = format!(
        "{}-{}-{}-{}",
        "xo".to_owned() + "xb",
        letters(b"123456789", 12),
        letters(b"123456789", 12),
        word(24)
    );
    let stripe = format!("{}{}", "sk_".to_owned() + "live_", word(24));
    let google = format!(
        "{}{}",
        "AI".to_owned() + "za",
        letters(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", 35)
    );
    let gitlab = format!("{}{}", "gl".to_owned() + "pat-", word(20));
    let npm = format!("{}{}", "np".to_owned() + "m_", word(36));
    vec![
        Secret::new("AWS credentials", "root/.aws/credentials", aws(), &["aws-credentials"]),
        Secret::new(
            "GitHub token of git",
            "root/.git-credentials",
            format!("https://deploy:{}@github.com\n", github()),
            &["git-credentials", "github-token"],
        ),
        Secret::new(
            "netrc password",
            "root/.netrc",
            format!("machine repo.internal\n login deploy\n password {}\n", word(16)),
            &["netrc"],
        ),
        Secret::new(
            "GitLab token",
            "opt/app/deploy.sh",
            format!("#!/bin/sh\nexport T={gitlab}\n"),
            &["gitlab-token"],
        ),
        Secret::new("Slack token", "etc/app/notify.conf", format!("bot: {slack}\n"), &["slack-token"]),
        Secret::new(
            "Stripe key",
            "srv/app/pay.py",
            format!("stripe.api_key = '{stripe}'\n"),
            &["stripe-key"],
        ),
        Secret::new(
            "Google API key",
            "srv/app/map.js",
            format!("const key = \"{google}\";\n"),
            &["google-api-key"],
        ),
        Secret::new(
            "Google service account",
            "opt/app/account.json",
            service_account(),
            &["google-service-account", "private-key"],
        ),
        Secret::new("registry login", "root/.docker/config.json", docker(), &["docker-auth"]),
        Secret::new("kubeconfig token", "root/.kube/config", kubeconfig(), &["kubeconfig"]),
        Secret::new(
            "npm token",
            "root/.npmrc",
            format!("//registry.npmjs.org/:_authToken={npm}\n"),
            &["npmrc", "npm-token"],
        ),
        Secret::new(
            "Python index password",
            "root/.pypirc",
            format!("[pypi]\nusername = deploy\npassword = {}\n", word(20)),
            &["pypirc"],
        ),
        Secret::new(
            "git remote with token",
            "opt/src/.git/config",
            format!("[remote \"origin\"]\n\turl = https://deploy:{}@git.internal/a.git\n", word(24)),
            &["git-remote-token"],
        ),
        Secret::new(
            "MySQL password",
            "root/.my.cnf",
            format!("[client]\nuser = app\npassword = {}\n", word(16)),
            &["mysql-password-file"],
        ),
        Secret::new(
            "apt bearer",
            "etc/apt/auth.conf.d/internal.conf",
            format!("machine apt.internal\n login bearer\n password {}\n", word(40)),
            &["apt-credentials"],
        ),
    ]
}
