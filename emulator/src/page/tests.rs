//! The page without HTTP: who is let in, and what it shows of hostile names.

use std::sync::Mutex;
use std::time::SystemTime;

use super::*;
use crate::clock::Timestamp;
use crate::launch::{Launch, LaunchState};
use crate::state::ACCOUNT;
use crate::state::config::RegionConfig;
use crate::state::image::{ImageRecord, Life, MachineFields, Protection};
use crate::state::parameter::{ParameterVersion, StoredParameter};
use crate::state::sharing::{Grants, SharedWith};

const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[2J\u{202e}\"'><img src=x>";

/// A launcher that remembers what it was asked.
#[derive(Debug, Default)]
struct TestLauncher(Mutex<Vec<Launch>>);

impl Launcher for TestLauncher {
    fn launch(&self, region: &str, image: &str) -> Result<u64, String> {
        let mut all = crate::sync::lock(&self.0);
        let id = all.len() as u64 + 1;
        all.push(Launch {
            id,
            region: region.to_owned(),
            image: image.to_owned(),
            begun: SystemTime::now(),
            state: LaunchState::Running,
            console: HOSTILE.as_bytes().to_vec(),
        });
        Ok(id)
    }

    fn stop(&self, id: u64) {
        let mut all = crate::sync::lock(&self.0);
        all.iter_mut().filter(|one| one.id == id).for_each(|one| one.state = LaunchState::Ended);
    }

    fn launches(&self) -> Vec<Launch> {
        crate::sync::lock(&self.0).clone()
    }
}

struct Fixture {
    state: State,
    page: Page,
    launcher: Arc<TestLauncher>,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(RegionConfig::new(folder.path())).unwrap();
        let launcher = Arc::new(TestLauncher::default());
        let page = Page::new(Some(Arc::clone(&launcher) as Arc<dyn Launcher>));
        let region = state.region("local").unwrap();
        region.images.put("ami-0000000a", image("ami-0000000a", HOSTILE)).unwrap();
        region.images.put("ami-0000000b", image("ami-0000000b", &"x".repeat(255))).unwrap();
        region.parameters.put("p", channel(HOSTILE, "ami-0000000a")).unwrap();
        Self { state, page, launcher, _folder: folder }
    }

    /// Sends a request and returns its status, its target if it leads elsewhere, and its text.
    fn send(&self, method: &str, target: &str, cookie: &str, body: &str) -> (u16, String, String) {
        let request = http::Request::builder().method(method).uri(target);
        let request = request.header("host", "127.0.0.1:4600").header("cookie", cookie);
        let parts = request.body(()).unwrap().into_parts().0;
        assert!(Page::is_for(&parts), "{target}");
        let response = secured(self.page.answered(&self.state, &parts, body.as_bytes()));
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        assert!(header("content-security-policy").contains("default-src 'none'"));
        let text = String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap();
        (response.status().as_u16(), header("location"), text)
    }

    fn cookie(&self) -> String {
        format!("amiforge-region-4600={}", self.page.session.token())
    }

    fn get(&self, target: &str) -> String {
        let (status, _, text) = self.send("GET", target, &self.cookie(), "");
        assert_eq!(status, 200, "{target}: {text}");
        text
    }
}

fn image(id: &str, name: &str) -> ImageRecord {
    ImageRecord {
        id: id.to_owned(),
        owner: ACCOUNT.to_owned(),
        name: name.to_owned(),
        location: String::new(),
        description: Some(HOSTILE.to_owned()),
        created: Timestamp(0),
        machine: MachineFields {
            architecture: "x86_64".to_owned(),
            virtualization: "hvm".to_owned(),
            root_device: "/dev/xvda".to_owned(),
            boot_mode: None,
            tpm: None,
            uefi_data: None,
            imds: None,
            ena: None,
            sriov: None,
            kernel: None,
            ramdisk: None,
        },
        mappings: Vec::new(),
        tags: [(HOSTILE.to_owned(), HOSTILE.to_owned())].into(),
        grants: Grants([SharedWith::Account("111122223333".to_owned())].into()),
        life: Life::Ready { from: Timestamp(0), failure: None },
        deprecated: None,
        watermarks: Vec::new(),
        last_launched: None,
        protection: Protection::Off,
        source: None,
        token: None,
    }
}

fn channel(name: &str, value: &str) -> StoredParameter {
    let version = ParameterVersion {
        number: 1,
        value: value.to_owned(),
        description: None,
        tier: "Standard".to_owned(),
        key: None,
        modified: Timestamp(0),
        from: Timestamp(0),
        labels: [HOSTILE.to_owned()].into(),
    };
    StoredParameter {
        name: name.to_owned(),
        owner: ACCOUNT.to_owned(),
        kind: "String".to_owned(),
        data_type: "aws:ec2:image".to_owned(),
        versions: vec![version],
        tags: crate::state::tags::Tags::new(),
    }
}

#[test]
fn only_the_printed_link_lets_a_browser_in() {
    let fixture = Fixture::new();
    let link = fixture.page.link("http://127.0.0.1:4600");
    let target = link.strip_prefix("http://127.0.0.1:4600").unwrap();
    for (target, cookie) in [
        ("/_region", ""),
        ("/_region/regions/local", ""),
        ("/_region/regions/local", "amiforge-region-4600=0"),
        ("/_region?token=0", ""),
        ("/_region/launches", ""),
    ] {
        let (status, _, text) = fixture.send("GET", target, cookie, "");
        assert_eq!(status, 403, "{target}");
        assert!(!text.contains("ami-0000000a") && !text.contains("name=\"form\""), "{text}");
    }
    let (status, location, _) = fixture.send("GET", target, "", "");
    assert_eq!((status, location.as_str()), (303, "/_region"));
    let (status, location, _) = fixture.send("GET", "/_region", &fixture.cookie(), "");
    assert_eq!((status, location.as_str()), (303, "/_region/regions/local"));
    let deep = format!("/_region/regions/local/channels?name=%2Fa&token={}", fixture.page.session.token());
    let (_, location, _) = fixture.send("GET", &deep, "", "");
    assert_eq!(location, "/_region/regions/local/channels?name=%2Fa");
}

#[test]
fn a_form_needs_its_own_token() {
    let fixture = Fixture::new();
    let action = "/_region/regions/local/images/ami-0000000a/launch";
    let form = format!("form={}", fixture.page.session.form_token());
    assert_eq!(fixture.send("POST", action, "", &form).0, 403, "without the cookie");
    for body in ["", "form=0", &format!("form={}", fixture.page.session.token())] {
        assert_eq!(fixture.send("POST", action, &fixture.cookie(), body).0, 403, "{body}");
    }
    assert!(fixture.launcher.launches().is_empty());
    // A GET changes nothing, whatever its path is.
    assert_eq!(fixture.send("GET", &format!("{action}?{form}"), &fixture.cookie(), "").0, 404);
    let (status, location, _) = fixture.send("POST", action, &fixture.cookie(), &form);
    assert_eq!((status, location.as_str()), (303, "/_region/launches/1"));
    assert!(fixture.get("/_region/launches/1").contains("http-equiv=\"refresh\""));
    let stop = fixture.send("POST", "/_region/launches/1/stop", &fixture.cookie(), &form);
    assert_eq!((stop.0, stop.1.as_str()), (303, "/_region/launches/1"));
    assert!(!fixture.get("/_region/launches/1").contains("http-equiv=\"refresh\""));
    let missing = "/_region/regions/local/images/ami-0000000f/launch";
    assert_eq!(fixture.send("POST", missing, &fixture.cookie(), &form).0, 404);
}

#[test]
fn hostile_names_are_shown_as_text() {
    let fixture = Fixture::new();
    fixture.launcher.launch("local", "ami-0000000a").unwrap();
    let channel = Link::channel("local", HOSTILE).text();
    for target in [
        "/_region/regions/local",
        "/_region/regions/local?q=script",
        "/_region/regions/local/images/ami-0000000a",
        "/_region/launches",
        "/_region/launches/1",
        &channel,
    ] {
        let text = fixture.get(target);
        for forbidden in ["<script", "<img", "\u{1b}", "\u{202e}", "\"'>"] {
            assert!(!text.contains(forbidden), "{target} has {forbidden}: {text}");
        }
    }
    let text = fixture.get("/_region/regions/local");
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;\u{241b}[2J[U+202E]"), "{text}");
    assert!(text.contains(&"x".repeat(255)));
    // A filter that finds nothing, in quotes.
    let text = fixture.get("/_region/regions/local?q=%22%3E%3Cb%3E");
    assert!(text.contains("value=\"&quot;&gt;&lt;b&gt;\"") && text.contains("No AMI here."), "{text}");
}

#[test]
fn what_does_not_exist_is_not_found_and_creates_nothing() {
    let fixture = Fixture::new();
    for target in [
        "/_region/regions/unused",
        "/_region/regions/..%2Fx",
        "/_region/regions/local/images/ami-0000000f",
        "/_region/regions/local/snapshots/..%2F..%2Fsecret",
        "/_region/regions/local/channels",
        "/_region/launches/7",
        "/_region/launches/x",
        "/_region/x",
    ] {
        assert_eq!(fixture.send("GET", target, &fixture.cookie(), "").0, 404, "{target}");
    }
    assert_eq!(fixture.send("PUT", "/_region/launches", &fixture.cookie(), "").0, 405);
    assert_eq!(fixture.state.used_regions(), ["local"]);
    let style = fixture.send("GET", "/_region/style.css", "", "");
    assert!(style.0 == 200 && style.2.contains("prefers-color-scheme"));
}

#[test]
fn requests_of_services_are_not_for_the_page() {
    let is_for = |host: &str, target: &str| {
        let request = http::Request::builder().uri(target).header("host", host);
        Page::is_for(&request.body(()).unwrap().into_parts().0)
    };
    assert!(is_for("127.0.0.1:4600", "/_region") && is_for("localhost:4600", "/_region/regions/local"));
    assert!(is_for("[::1]:4600", "/_region"));
    for (host, target) in [
        ("bucket.localhost:4600", "/_region"),
        ("127.0.0.1:4600", "/_regions"),
        ("127.0.0.1:4600", "/bucket/_region"),
        ("127.0.0.1:4600", "/"),
        ("127.0.0.1:4600", "/snapshots"),
    ] {
        assert!(!is_for(host, target), "{host}{target}");
    }
}
