//! The service as a client sees it.

use std::collections::BTreeMap;

use super::super::Instance;
use super::*;

fn service(sessions: Sessions) -> MetadataService {
    let instance = Instance {
        id: "i-01".to_owned(),
        image: "ami-02".to_owned(),
        kind: "t3.small".to_owned(),
        architecture: "x86_64",
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
        mac: "06:00:00:00:00:01".to_owned(),
        address: "169.254.169.15".to_owned(),
        hostname: None,
        keys: vec!["ssh-ed25519 AAAA me".to_owned()],
        tags: BTreeMap::from([("Name".to_owned(), "web 1".to_owned())]),
        root_device: "/dev/xvda".to_owned(),
        volumes: Vec::new(),
    };
    MetadataService::new(&instance, sessions, Some(vec![0x1f, 0x8b, 0, 255])).unwrap()
}

fn send_at(service: &MetadataService, requests: &str, now: u64) -> String {
    let mut out = Vec::new();
    serve(service, requests.replace('\n', "\r\n").as_bytes(), &mut out, || now).unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

/// The bodies of GETs of paths, with a token.
fn get(path: &str) -> String {
    let service = service(Sessions::Required);
    let response = send_at(
        &service,
        &format!("GET {path} HTTP/1.1\nX-aws-ec2-metadata-token: {}\n\n", service.token(50)),
        10,
    );
    assert!(response.contains("Token-Ttl-Seconds: 40\r\n"), "{response}");
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    format!("{} {body}", head.get(9..12).unwrap())
}

#[test]
fn without_a_token_nothing_is_told_unless_that_is_asked_for() {
    let request = "GET /latest/meta-data/instance-id HTTP/1.1\n\n";
    assert!(send_at(&service(Sessions::Required), request, 0).starts_with("HTTP/1.1 401 "));
    assert!(send_at(&service(Sessions::Optional), request, 0).ends_with("\r\n\r\ni-01"));
}

#[test]
fn a_token_lives_as_long_as_it_was_asked_for() {
    let service = service(Sessions::Required);
    let put = |header: &str| send_at(&service, &format!("PUT /latest/api/token HTTP/1.1\n{header}\n\n"), 100);
    let response = put("X-aws-ec2-metadata-token-ttl-seconds: 60");
    let token = response.split_once("\r\n\r\n").unwrap().1.to_owned();
    let get = |token: &str, now| {
        let request = format!("GET /latest/meta-data/ami-id HTTP/1.1\nX-aws-ec2-metadata-token: {token}\n\n");
        send_at(&service, &request, now).get(9..12).unwrap().to_owned()
    };
    assert_eq!(
        (get(&token, 100), get(&token, 159), get(&token, 160)),
        ("200".into(), "200".into(), "401".into())
    );
    let forged = format!("ffffffff{}", &token[token.find('-').unwrap()..]);
    assert_eq!((get(&forged, 100), get("", 100)), ("401".into(), "401".into()));
    for (header, status) in [
        ("X-aws-ec2-metadata-token-ttl-seconds: 0", "400"),
        ("X-aws-ec2-metadata-token-ttl-seconds: 21601", "400"),
        ("Host: x", "400"),
        ("X-Forwarded-For: 1.2.3.4\nX-aws-ec2-metadata-token-ttl-seconds: 60", "403"),
    ] {
        assert_eq!(put(header).get(9..12), Some(status), "{header}");
    }
}

#[test]
fn folders_are_listed_and_values_told_as_ec2_does() {
    assert_eq!(get("/latest/meta-data/instance-id"), "200 i-01");
    assert_eq!(get("/2021-03-23/meta-data/hostname"), "200 ip-169-254-169-15.compute.internal");
    assert_eq!(get("/latest/meta-data/public-keys/"), "200 0=key-0");
    assert_eq!(get("/latest/meta-data/public-keys/0/"), "200 openssh-key");
    assert_eq!(get("/latest/meta-data/public-keys/0/openssh-key"), "200 ssh-ed25519 AAAA me");
    assert_eq!(get("/latest/meta-data/tags/instance/"), "200 Name");
    assert_eq!(get("/latest/meta-data/tags/instance/Name"), "200 web 1");
    assert_eq!(get("/latest/meta-data/block-device-mapping/root"), "200 /dev/xvda");
    assert_eq!(get("/latest/meta-data/network/interfaces/macs/"), "200 06:00:00:00:00:01/");
    assert!(get("/latest/meta-data/").contains("\npublic-keys/\n"));
    assert!(get("/latest/dynamic/instance-identity/document").contains("\"imageId\": \"ami-02\""));
    assert_eq!(get("/latest/"), "200 dynamic\nmeta-data\nuser-data");
    assert!(get("/").ends_with("latest"));
    for missing in
        ["/x", "/latest/x", "/latest/meta-data/x", "/latest/meta-data/ami-id/x", "/latest/user-data/x"]
    {
        assert!(get(missing).starts_with("404 "), "{missing}");
    }
}

#[test]
fn a_connection_carries_many_requests_and_ends_as_asked() {
    let service = service(Sessions::Optional);
    let two =
        "GET /latest/meta-data/ami-id HTTP/1.1\nContent-Length: 3\n\nabcHEAD /latest/user-data HTTP/1.1\n\n";
    let response = send_at(&service, two, 0);
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(
        response.ends_with("keep-alive\r\n\r\n") && response.contains("Content-Length: 4\r\n"),
        "{response}"
    );
    let closed = "GET / HTTP/1.1\nConnection: close\n\nGET / HTTP/1.1\n\n";
    assert_eq!(send_at(&service, closed, 0).matches("HTTP/1.1").count(), 1);
    assert!(send_at(&service, "DELETE / HTTP/1.1\n\n", 0).starts_with("HTTP/1.1 405"));
    for garbage in [
        "",
        "\n",
        "GET",
        "GET / HTTP/1.1\n",
        &"x".repeat(20_000),
        &format!("GET / HTTP/1.1\n{}", "a: b\n".repeat(500)),
    ] {
        assert_eq!(send_at(&service, garbage, 0), "", "{garbage:.20}");
    }
}

#[test]
fn more_user_data_than_ec2_takes_is_refused() {
    let mut instance_service = service(Sessions::Required);
    instance_service.user_data = None;
    let token = instance_service.token(9);
    let request = format!("GET /latest/user-data HTTP/1.1\nX-aws-ec2-metadata-token: {token}\n\n");
    assert!(send_at(&instance_service, &request, 0).starts_with("HTTP/1.1 404"));
}
