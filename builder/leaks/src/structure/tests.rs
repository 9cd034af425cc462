//! Every row of the tables: a path and a content that are a finding, and nearly the same that is none.

use super::*;

fn finder() -> StructureFinder {
    StructureFinder::new(&RuleFilter::default()).unwrap()
}

/// The rules that find something in a file.
fn matched(finder: &StructureFinder, path: &str, content: &str) -> Vec<&'static str> {
    let subject = RuleSubject { path: path.as_bytes(), bytes: content.as_bytes() };
    let rows = finder.applicable(path.as_bytes()).into_iter();
    let mut ids: Vec<_> = rows.filter(|row| !row.find(&subject).is_empty()).map(|row| row.rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Rule, path, a content that is a finding and one that is not; an empty one where any content is a finding.
const CASES: [(&str, &str, &str, &str); 112] = [
    (
        "aws-credentials",
        "root/.aws/credentials",
        "[default]\naws_secret_access_key = abc\n",
        "[default]\naws_access_key_id = AKIA\n",
    ),
    ("aws-cached-credentials", "home/a/.aws/sso/cache/ab.json", "{}", ""),
    ("boto-credentials", "root/.s3cfg", "secret_key = abcdef\n", "secret_key =\n"),
    ("boto-credentials", "etc/passwd-s3fs", "AKIA:abcdef\n", "# none\n"),
    ("azure-credentials", "root/.azure/msal_token_cache.json", "{}", ""),
    ("gcloud-credentials", "root/.config/gcloud/credentials.db", "x", ""),
    (
        "google-service-account",
        "srv/app/key.json",
        "{\"type\": \"service_account\", \"private_key\": \"-\"}",
        "{\"type\": \"module\"}",
    ),
    ("oci-credentials", "root/.oci/config", "pass_phrase=hunter2\n", "user=ocid1\n"),
    (
        "github-cli",
        "root/.config/gh/hosts.yml",
        "github.com:\n    oauth_token: abcdef\n",
        "github.com:\n    user: x\n",
    ),
    ("gitlab-cli", "root/.config/glab-cli/config.yml", "token: abcdef\n", "token:\n"),
    ("cloud-cli-token", "root/.config/hcloud/cli.toml", "token = \"abcdef\"\n", "active_context = \"x\"\n"),
    (
        "docker-auth",
        "root/.docker/config.json",
        "{\"auths\":{\"https://x\":{\"auth\":\"dXNlcjpwdw==\"}}}",
        "{\"auths\":{\"https://x\":{}}}",
    ),
    (
        "docker-auth",
        "home/a/.config/containers/auth.json",
        "{\"auths\": {\"x\": {\"auth\": \"YTpi\"}}}",
        "{\"auths\": {}}",
    ),
    (
        "kubeconfig",
        "root/.kube/config",
        "users:\n- user:\n    token: abcdef\n",
        "users:\n- user:\n    tokenFile: /var/run/x\n",
    ),
    ("kubeconfig", "etc/kubernetes/admin.conf", "    client-key-data: LS0t\n", "    client-key: /etc/x\n"),
    ("kubernetes-join-token", "var/lib/rancher/k3s/server/node-token", "K10x", ""),
    ("netrc", "root/.netrc", "machine x login a password hunter2\n", "machine x login a\n"),
    ("git-credentials", "root/.git-credentials", "https://me:hunter2x@git.corp\n", "https://me@git.corp\n"),
    (
        "git-remote-token",
        "srv/app/.git/config",
        "\turl = https://me:hunter2x@git.corp/x.git\n",
        "\turl = https://git.corp/x.git\n",
    ),
    ("git-remote-token", "root/.gitconfig", "\textraheader = AUTHORIZATION: basic eDp5\n", "\tname = x\n"),
    ("pypirc", "root/.pypirc", "password = hunter2\n", "password = ${PW}\n"),
    (
        "pip-credentials",
        "root/.config/pip/pip.conf",
        "index-url = https://me:hunter2x@pypi.corp/simple\n",
        "index-url = https://pypi.org/simple\n",
    ),
    (
        "poetry-credentials",
        "root/.config/pypoetry/auth.toml",
        "password = \"hunter2\"\n",
        "username = \"x\"\n",
    ),
    (
        "npmrc",
        "root/.npmrc",
        "//registry.corp/:_authToken=abcdef\n",
        "//registry.corp/:_authToken=${NPM_TOKEN}\n",
    ),
    ("cargo-credentials", "root/.cargo/credentials.toml", "token = \"abcdef\"\n", "[registry]\n"),
    ("gem-credentials", "root/.gem/credentials", ":rubygems_api_key: abcdef\n", "---\n"),
    (
        "bundler-credentials",
        "root/.bundle/config",
        "BUNDLE_GEMS__CORP: \"me:hunter2x\"\n",
        "BUNDLE_PATH: \"vendor/bundle\"\n",
    ),
    ("composer-auth", "root/.composer/auth.json", "{}", ""),
    (
        "nuget-credentials",
        "srv/nuget.config",
        "<add key=\"ClearTextPassword\" value=\"hunter2\" />",
        "<add key=\"x\" value=\"y\" />",
    ),
    (
        "maven-credentials",
        "root/.m2/settings.xml",
        "<password>hunter2</password>",
        "<password>${env.PW}</password>",
    ),
    (
        "gradle-credentials",
        "root/.gradle/gradle.properties",
        "signing.password=hunter2\n",
        "org.gradle.daemon=false\n",
    ),
    ("sbt-credentials", "root/.ivy2/.credentials", "password=hunter2\n", "user=x\n"),
    ("hex-credentials", "root/.hex/hex.config", "x", ""),
    ("terraform-state", "srv/infra/terraform.tfstate", "{}", ""),
    ("terraform-credentials", "root/.terraformrc", "token = \"abcdef\"\n", "plugin_cache_dir = \"/x\"\n"),
    ("terraform-variables", "srv/infra/prod.tfvars", "password = \"hunter2\"\n", "region = \"eu\"\n"),
    ("pulumi-credentials", "root/.pulumi/credentials.json", "{}", ""),
    ("ansible-vault-password-file", "root/.vault_pass", "hunter2", ""),
    ("vault-token-file", "root/.vault-token", "hvs", ""),
    ("chef-puppet-secret", "etc/chef/encrypted_data_bag_secret", "x", ""),
    ("postgres-password-file", "root/.pgpass", "db:5432:app:me:hunter2\n", "# host:port:db:user:password\n"),
    ("mysql-password-file", "root/.my.cnf", "[client]\npassword=hunter2\n", "[client]\nuser=x\n"),
    ("mysql-password-file", "root/.mylogin.cnf", "x", ""),
    ("debian-maintainer-password", "etc/mysql/debian.cnf", "password = hunter2\n", "password =\n"),
    ("redis-password", "etc/redis/redis.conf", "requirepass hunter2\n", "# requirepass foobared\n"),
    ("rclone-config", "root/.config/rclone/rclone.conf", "secret_access_key = abcdef\n", "type = s3\n"),
    ("restic-password", "root/.restic-password", "x", ""),
    ("mail-password", "root/.msmtprc", "password hunter2\n", "host x\n"),
    ("mail-password", "etc/exim4/passwd.client", "*:me:hunter2\n", "# target:login:password\n"),
    ("smb-credentials", "root/.smbcredentials", "password=hunter2\n", "username=x\n"),
    ("smb-credentials", "etc/davfs2/secrets", "https://x me hunter2\n", "# none\n"),
    ("samba-passwords", "var/lib/samba/private/passdb.tdb", "x", ""),
    (
        "mount-password",
        "etc/fstab",
        "//s/x /x cifs username=a,password=hunter2 0 0\n",
        "//s/x /x cifs credentials=/root/c 0 0\n",
    ),
    ("apt-credentials", "etc/apt/auth.conf.d/x.conf", "machine x login a password hunter2\n", "# none\n"),
    (
        "apt-source-password",
        "etc/apt/sources.list",
        "deb https://me:hunter2x@deb.corp x main\n",
        "deb https://deb.corp x main\n",
    ),
    ("yum-credentials", "etc/yum.repos.d/x.repo", "password=hunter2\n", "gpgcheck=1\n"),
    ("subscription-credentials", "etc/pki/entitlement/1-key.pem", "x", ""),
    ("wpa-secret", "etc/wpa_supplicant/wpa_supplicant.conf", "psk=\"hunter2x\"\n", "key_mgmt=NONE\n"),
    ("wpa-secret", "etc/NetworkManager/system-connections/x.nmconnection", "psk=hunter2x\n", "psk-flags=1\n"),
    ("ppp-secret", "etc/ppp/chap-secrets", "me * hunter2 *\n", "# client server secret\n"),
    ("ipsec-secret", "etc/ipsec.secrets", ": PSK \"hunter2\"\n", "include /var/lib/x\n"),
    ("wireguard-preshared-key", "etc/wireguard/wg0.conf", "PresharedKey = abcdef\n", "Endpoint = x:1\n"),
    ("openvpn-password", "etc/openvpn/client/auth.txt", "me\nhunter2\n", "\n"),
    ("radius-secret", "etc/freeradius/3.0/clients.conf", "secret = hunter2\n", "# secret = x\n"),
    ("ldap-secret", "etc/nslcd.conf", "bindpw hunter2\n", "#bindpw secret\n"),
    ("ldap-secret", "etc/ldap.secret", "hunter2\n", ""),
    ("snmp-secret", "etc/snmp/snmpd.conf", "rocommunity hunter2\n", "rocommunity public default\n"),
    ("shared-cluster-secret", "etc/munge/munge.key", "x", ""),
    ("keytab", "etc/krb5.keytab", "x", ""),
    ("kerberos-cache", "tmp/krb5cc_0", "x", ""),
    ("htpasswd", "etc/nginx/.htpasswd", "me:$apr1$x\n", "\n"),
    (
        "grub-password",
        "boot/grub/grub.cfg",
        "password_pbkdf2 root grub.pbkdf2.sha512.10000.ABCD\n",
        "set timeout=1\n",
    ),
    ("password-store", "root/x.kdbx", "x", ""),
    ("gnupg-secret-keys", "root/.gnupg/private-keys-v1.d/AB.key", "x", ""),
    ("gpg-revocation", "root/.gnupg/openpgp-revocs.d/AB.rev", "x", ""),
    ("ssh-private-key", "root/.ssh/id_rsa", "some key\n", ""),
    ("ssh-private-key", "root/.ssh/id_rsa.pub", "", "ssh-rsa AAAA x\n"),
    ("ssh-host-key", "etc/ssh/ssh_host_rsa_key", "x", ""),
    ("tls-private-key-file", "etc/ssl/private/x.key", "some key", "-----BEGIN CERTIFICATE-----\n"),
    ("certbot-account", "etc/letsencrypt/accounts/x/y/regr.json", "{}", ""),
    ("authorized-keys", "root/.ssh/authorized_keys", "ssh-ed25519 AAAA me@host\n", "# none\n"),
    ("known-hosts", "root/.ssh/known_hosts", "host ssh-rsa AAAA\n", "\n"),
    ("password-hash", "etc/shadow", "root:$6$salt$abcdefghijkl:1::::::\n", "root:*:1::::::\n"),
    ("empty-password", "etc/shadow", "me::1::::::\n", "me:!:1::::::\n"),
    (
        "builder-account",
        "etc/passwd",
        "vagrant:x:1:1::/home/vagrant:/bin/sh\n",
        "admin:x:1:1::/home/admin:/bin/sh\n",
    ),
    ("history", "root/.bash_history", "ls\n", ""),
    ("history", "home/a/.local/share/fish/fish_history", "- cmd: ls\n", ""),
    ("editor-history", "root/.viminfo", "x", ""),
    ("cloud-init-instance", "var/lib/cloud/instances/i-1/user-data.txt", "x", ""),
    (
        "cloud-init-password",
        "etc/cloud/cloud.cfg.d/x.cfg",
        "chpasswd:\n  list: |\n    root:hunter2\n",
        "chpasswd:\n  expire: false\n",
    ),
    (
        "cloud-init-password",
        "etc/cloud/cloud.cfg",
        "    hashed_passwd: $6$salt$abcdef\n",
        "    lock_passwd: True\n",
    ),
    (
        "unattended-install-password",
        "root/anaconda-ks.cfg",
        "rootpw --iscrypted abc$6$x\n",
        "rootpw --lock\n",
    ),
    (
        "debconf-password",
        "var/cache/debconf/passwords.dat",
        "Name: x\nValue: hunter2\n",
        "Name: x\nTemplate: x\nValue:\n",
    ),
    ("machine-id", "etc/machine-id", "0123456789abcdef0123456789abcdef\n", "uninitialized\n"),
    ("random-seed", "var/lib/systemd/random-seed", "x", ""),
    ("systemd-credential-secret", "var/lib/systemd/credential.secret", "x", ""),
    (
        "machine-identity",
        "etc/iscsi/initiatorname.iscsi",
        "InitiatorName=iqn.1993-08.org.debian:01:ab\n",
        "GenerateName=yes\n",
    ),
    ("network-lease", "var/lib/dhcp/dhclient.leases", "lease {}\n", ""),
    ("log", "var/log/apt/history.log", "Start-Date\n", "\0\0\0"),
    ("mail", "var/mail/root", "From x\n", ""),
    ("print-job", "var/spool/cups/d00001-001", "x", ""),
    ("crash-report", "var/crash/x.crash", "x", ""),
    ("hibernation-image", "hiberfil.sys", "x", ""),
    ("backup-of-editor", "etc/ssh/x~", "x", ""),
    ("environment-file", "srv/app/.env", "DB_PASSWORD=hunter2\n", "DB_HOST=db\n"),
    ("environment-file", "etc/default/app", "API_TOKEN=\"abcdef1\"\n", "SECRET_FILE=/etc/x\n"),
    (
        "application-secret",
        "srv/wp-config.php",
        "define( 'DB_PASSWORD', 'hunter2' );\n",
        "define( 'DB_PASSWORD', 'put your password here' );\n",
    ),
    ("application-secret", "srv/config/master.key", "abc", ""),
    ("ci-credentials", "etc/gitlab-runner/config.toml", "  token = \"abcdef\"\n", "concurrent = 1\n"),
    ("monitoring-credentials", "etc/datadog-agent/datadog.yaml", "api_key: abcdef\n", "# api_key: x\n"),
    ("swap-file", "swapfile", "", "not a swap area"),
    ("core-dump", "", "", ""),
];

#[test]
fn every_row_has_a_file_that_it_finds_and_one_that_it_passes_over() {
    let finder = finder();
    for (rule, path, positive, negative) in CASES {
        if !positive.is_empty() {
            assert!(matched(&finder, path, positive).contains(&rule), "{rule}: {path}: {positive}");
        }
        if !path.is_empty() {
            assert!(!matched(&finder, path, negative).contains(&rule), "{rule}: {path}: {negative}");
            // Elsewhere the same content is nothing to the rule.
            assert!(!matched(&finder, "usr/lib/other/file", positive).contains(&rule), "{rule}");
        }
    }
    for row in all() {
        assert!(
            CASES.iter().any(|(rule, ..)| *rule == row.rule.id) || row.test == Test::BuilderHome,
            "{}",
            row.rule.id
        );
    }
}

#[test]
fn core_dumps_and_used_swap_files_are_found_by_their_headers() {
    let finder = finder();
    let mut core = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0".to_vec();
    assert_eq!(finder.core_dump(&core).map(|rule| rule.id), Some("core-dump"));
    core[16] = 3;
    assert_eq!(finder.core_dump(&core), None);
    let mut swap = vec![0; 8192];
    swap[4086..4096].copy_from_slice(b"SWAPSPACE2");
    let rows = finder.applicable(b"swapfile");
    let matched =
        |bytes: &[u8]| rows.iter().any(|row| !row.find(&RuleSubject { path: b"swapfile", bytes }).is_empty());
    assert!(!matched(&swap), "an area that nothing was written to");
    swap[5000] = 1;
    assert!(matched(&swap));
}

#[test]
fn the_home_of_a_builder_is_found_in_programs_and_that_of_a_user_is_not() {
    let (finder, accounts) = (finder(), AccountFiles::parse(b"admin:x:1000:1000::/home/admin:/bin/sh\n"));
    let home = |text: &[u8]| finder.builder_home(text, &accounts).and_then(|hit| hit.subject);
    assert_eq!(home(b"\0/home/alice/.cargo/registry/src/x.rs\0").as_deref(), Some("`/home/alice`"));
    assert_eq!(home(b"\0/Users/bob/src/main.go\0").as_deref(), Some("`/Users/bob`"));
    for text in [
        &b"\0/home/admin/.config/x\0"[..],
        b"\0/home/%s/.config\0",
        b"\0/srv/home/alice/x.rs\0",
        b"/home/user/.x/y",
    ] {
        assert_eq!(home(text), None, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_secret_is_the_value_and_a_subject_whom_it_is_about() {
    let finder = finder();
    let of = |path: &str, text: &str| {
        let rows = finder.applicable(path.as_bytes());
        let hits = rows
            .iter()
            .flat_map(|row| row.find(&RuleSubject { path: path.as_bytes(), bytes: text.as_bytes() }));
        let shown = hits.map(|hit| (hit.secret.map(|range| text[range].to_owned()), hit.subject));
        shown.collect::<Vec<_>>()
    };
    let netrc = of("root/.netrc", "machine a login b\n  password hunter2\n");
    assert_eq!(netrc, [(Some("hunter2".to_owned()), None)]);
    let keys = of("root/.ssh/authorized_keys", "# x\n ssh-ed25519 AAAAB3 me@host\nssh-rsa AAAAC\n");
    let key = |text: &str, subject: Option<&str>| (Some(text.to_owned()), subject.map(str::to_owned));
    assert_eq!(keys, [key("ssh-ed25519 AAAAB3 me@host", Some("`me@host`")), key("ssh-rsa AAAAC", None)]);
}
