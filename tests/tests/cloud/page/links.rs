//! Every link of every document, and who is refused.

use amiforge_emulator::Launcher as _;

use super::fixture::{Fixture, HOSTILE, values};

#[test]
fn every_link_leads_to_a_document() {
    let Some(fixture) = Fixture::filled() else { return };
    let documents = fixture.crawl();
    let text = |part: &str| {
        let found = documents.iter().find(|(target, _)| target.contains(part));
        &found
            .unwrap_or_else(|| {
                panic!("no document {part}: {:?}", documents.iter().map(|one| &one.0).collect::<Vec<_>>())
            })
            .1
    };
    for part in [
        "/regions/local",
        "/regions/local-2",
        "/images/ami-",
        "/snapshots/snap-",
        "/channels?name=",
        "/launches",
    ] {
        text(part);
    }
    let overview =
        &documents.iter().find(|(target, _)| target == "/_region/regions/local").expect("the region").1;
    for shown in [
        "In progress",
        "uploading",
        "1 block so far",
        "storing",
        "AMIs",
        "Channels",
        "/web/stable",
        "Snapshots",
        "Stored in S3",
    ] {
        assert!(overview.contains(shown), "{shown}: {overview}");
    }
    assert!(overview.contains("http-equiv=\"refresh\""), "something is in progress");
    let copy =
        &documents.iter().find(|(target, _)| target == "/_region/regions/local-2").expect("the region").1;
    assert!(copy.contains("copied from ami-"), "{copy}");
    assert!(text("/channels?name=").contains("History"));
    // Of the child: blocks of its own, of the parent, zeros, and never written.
    let maps: Vec<_> = documents.iter().filter(|(target, _)| target.contains("/snapshots/")).collect();
    let child = maps.iter().find(|(_, text)| text.contains("1 of the parent (512 KiB)")).expect("the child");
    for shown in ["1 written (512 KiB)", "1 written as zeros (512 KiB)", "2045 never written", "Parent"] {
        assert!(child.1.contains(shown), "{shown}: {}", child.1);
    }
    for (target, document) in &documents {
        assert!(
            !document.contains(HOSTILE) && !document.contains("<script") && !document.contains("<img"),
            "{target}"
        );
        assert!(!document.contains(" style=") && !document.contains(" onclick"), "{target}");
    }
    let all: String = documents.iter().map(|(_, text)| text.as_str()).collect();
    assert!(all.contains("&lt;script&gt;document.title"), "the hostile name is shown");
    assert!(all.contains(&"n".repeat(128)) && all.contains(&"v".repeat(255)), "long names are shown");
}

#[test]
fn a_form_launches_and_another_ends_the_launch() {
    let Some(fixture) = Fixture::filled() else { return };
    let cookie = fixture.cookie();
    let documents = fixture.crawl();
    let action = documents
        .iter()
        .flat_map(|(_, text)| values(text, "action=\""))
        .find(|action| action.ends_with("/launch"));
    let action = action.expect("a button");
    let token = documents.iter().find_map(|(_, text)| {
        text.split("name=\"form\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned)
    });
    let form = format!("form={}", token.expect("a token"));
    let endpoint = fixture.server.endpoint();
    let (own, kind) = (format!("Origin: {endpoint}"), "Content-Type: application/x-www-form-urlencoded");
    // From elsewhere, and without what only the page knows.
    for (headers, body) in [
        (vec![cookie.as_str(), "Origin: http://evil.example", kind], form.as_str()),
        (vec![cookie.as_str(), "Origin: null", kind], &form),
        (vec![cookie.as_str(), "Sec-Fetch-Site: same-site", kind], &form),
        (vec![cookie.as_str(), &own, kind], "form=0"),
        (vec![&own, kind], &form),
    ] {
        assert_eq!(fixture.send("POST", &action, &headers, body).status, 403, "{headers:?}");
    }
    assert_eq!(fixture.launcher.launches().len(), 0);
    let headers = [cookie.as_str(), &own, "Sec-Fetch-Site: same-origin", kind];
    let launched = fixture.send("POST", &action, &headers, &form);
    assert!(
        launched.status == 303 && launched.head.contains("location: /_region/launches/1"),
        "{launched:?}"
    );
    let document = fixture.send("GET", "/_region/launches/1", &[&cookie], "").body;
    assert!(document.contains("login:") && document.contains("http-equiv=\"refresh\""), "{document}");
    assert!(!document.contains(HOSTILE) && !document.contains('\u{1b}'), "{document}");
    let stopped = fixture.send("POST", "/_region/launches/1/stop", &headers, &form);
    assert_eq!(stopped.status, 303, "{stopped:?}");
    assert!(fixture.send("GET", "/_region/launches/1", &[&cookie], "").body.contains("ended"));
}

#[test]
fn a_foreign_host_or_site_reads_nothing() {
    let Some(fixture) = Fixture::filled() else { return };
    let cookie = fixture.cookie();
    let target = "/_region/regions/local";
    for (header, status) in [
        ("Host: evil.example", 421),
        ("Origin: http://evil.example", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Sec-Fetch-Site: same-site", 403),
    ] {
        let response = fixture.send("GET", target, &[header, &cookie], "");
        assert_eq!(response.status, status, "{header}");
        assert!(!response.body.contains("ami-"), "{header}: {}", response.body);
        assert!(!response.head.to_lowercase().contains("access-control-allow"), "{header}");
    }
    let response = fixture.send("GET", target, &[&cookie], "");
    for header in
        ["frame-ancestors 'none'", "nosniff", "no-store", "cross-origin-resource-policy: same-origin"]
    {
        assert!(response.head.contains(header), "{header}: {}", response.head);
    }
}
