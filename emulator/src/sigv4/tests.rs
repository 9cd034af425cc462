//! Requests of another signer, as recorded on the wire.

use http::Request;
use http::request::Parts;

use super::*;

const AGENT: &str = "aws-sdk-rust/1.5.0 ua/2.1 api/ebs/1.106.0 os/linux lang/rust/1.95.0 m/E,N,g md/http#hyper-1.x app/coldsnap-0.12.0";
const DATE: &str = "20261121T014727Z";

/// A request of the recorded client. `headers` are those in addition to host, date and agent.
fn recorded(method: &str, path: &str, headers: &[(&str, &str)], signature: &str) -> Parts {
    let mut names = vec!["host", "x-amz-date", "x-amz-user-agent"];
    names.extend(headers.iter().map(|(name, _)| *name));
    names.sort_unstable();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=testing/20261121/us-east-1/ebs/aws4_request, SignedHeaders={}, Signature={signature}",
        names.join(";")
    );
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:5566")
        .header("x-amz-date", DATE)
        .header("x-amz-user-agent", AGENT)
        .header("authorization", authorization);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn signed_then() -> Timestamp {
    Timestamp::parse(DATE).unwrap()
}

fn start() -> (Parts, String) {
    let body = r#"{"ClientToken":"0601c4fb-3186-43bb-cd63-8e33559efb30","Description":"small.raw","Tags":[],"Timeout":10,"VolumeSize":1}"#;
    let headers = [("content-length", "118"), ("content-type", "application/json")];
    let signature = "04c66cb2fabaf7428e68cffdef9ffe1c98481fe18ce9a3c815ce1296ff9f95b1";
    (recorded("POST", "/snapshots", &headers, signature), Sha256Digest::of(body.as_bytes()).hex())
}

fn check(parts: &Parts, payload: &str, secret: &str, now: Timestamp) -> Result<(), AuthError> {
    SignatureClaim::read(parts).and_then(|claim| claim.check(parts, payload, secret, now)).map(|_| ())
}

#[test]
fn a_recorded_request_with_a_signed_body_is_taken() {
    let (parts, payload) = start();
    assert_eq!(check(&parts, &payload, "testing", signed_then()), Ok(()));
}

#[test]
fn a_recorded_request_with_an_unsigned_body_is_taken() {
    let headers = [
        ("content-length", "524288"),
        ("content-type", "application/octet-stream"),
        ("x-amz-checksum", "vL50HZ3saxgPGaEPFHvrifEVqF07ktbYt6QyqgWdfMo="),
        ("x-amz-checksum-algorithm", "SHA256"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-data-length", "524288"),
    ];
    let signature = "a6bfd2599c1039b52c8457dd6dd6b47ebf56b04d76c02548e9fc05f29fa6b9bc";
    let parts = recorded("PUT", "/snapshots/snap-0123456789abcdef0/blocks/0", &headers, signature);
    assert_eq!(check(&parts, UNSIGNED, "testing", signed_then()), Ok(()));
}

#[test]
fn a_recorded_request_without_a_body_is_taken() {
    let headers = [
        ("x-amz-changedblockscount", "4"),
        ("x-amz-checksum", "Nhim4bFYvbiO7rhzvoLsHcRtArPIEiZPz9anSgcj70Q="),
        ("x-amz-checksum-aggregation-method", "LINEAR"),
        ("x-amz-checksum-algorithm", "SHA256"),
    ];
    let signature = "8e12385c04d0a810386bf711a94daf0b788faf500e311e81adbb6f0ce73201f0";
    let parts = recorded("POST", "/snapshots/completion/snap-0123456789abcdef0", &headers, signature);
    assert_eq!(check(&parts, &Sha256Digest::of(b"").hex(), "testing", signed_then()), Ok(()));
}

#[test]
fn a_request_that_differs_from_the_signed_one_is_refused() {
    let (parts, payload) = start();
    assert_eq!(check(&parts, &payload, "Testing", signed_then()), Err(AuthError::SignatureMismatch));
    assert_eq!(
        check(&parts, &Sha256Digest::of(b"{}").hex(), "testing", signed_then()),
        Err(AuthError::SignatureMismatch)
    );
    let mut other = parts.clone();
    other.uri = "/snapshots?x=1".parse().unwrap();
    assert_eq!(check(&other, &payload, "testing", signed_then()), Err(AuthError::SignatureMismatch));
    let mut other = parts.clone();
    other.headers.insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(check(&other, &payload, "testing", signed_then()), Err(AuthError::SignatureMismatch));
    let mut other = parts;
    other.headers.remove("x-amz-user-agent");
    assert_eq!(check(&other, &payload, "testing", signed_then()), Err(AuthError::SignatureMismatch));
}

#[test]
fn a_request_is_valid_five_minutes_before_and_after_its_date() {
    let (parts, payload) = start();
    let signed = signed_then();
    let at = |now| check(&parts, &payload, "testing", now);
    assert_eq!(at(Timestamp(signed.0 + 300_000)), Ok(()));
    assert_eq!(at(Timestamp(signed.0 - 300_000)), Ok(()));
    let now = "20261121T015228Z".to_owned();
    assert_eq!(at(Timestamp(signed.0 + 301_000)), Err(AuthError::Expired { signed: DATE.to_owned(), now }));
    let now = "20261121T014226Z".to_owned();
    assert_eq!(
        at(Timestamp(signed.0 - 301_000)),
        Err(AuthError::NotYetValid { signed: DATE.to_owned(), now })
    );
}

#[test]
fn a_malformed_signature_differs_from_a_missing_one() {
    let (mut parts, _) = start();
    for text in ["Basic x", "AWS4-HMAC-SHA256 Credential=a/b/c", "AWS4-HMAC-SHA256"] {
        parts.headers.insert("authorization", text.parse().unwrap());
        assert!(matches!(SignatureClaim::read(&parts), Err(AuthError::Malformed(_))), "{text}");
    }
    parts.headers.remove("authorization");
    assert_eq!(SignatureClaim::read(&parts), Err(AuthError::Missing));
}

/// The GET example of AWS's description of presigned URLs for S3.
#[test]
fn a_presigned_url_is_taken_while_it_lasts() {
    let uri = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let request = Request::builder().uri(uri).header("host", "examplebucket.s3.amazonaws.com");
    let parts = request.body(()).unwrap().into_parts().0;
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let signed = Timestamp::parse("20130524T000000Z").unwrap();
    assert_eq!(check(&parts, UNSIGNED, secret, Timestamp(signed.0 + 86_400_000)), Ok(()));
    let late = check(&parts, UNSIGNED, secret, Timestamp(signed.0 + 86_401_000));
    assert!(matches!(late, Err(AuthError::Expired { .. })), "{late:?}");
}

#[test]
fn a_query_is_signed_sorted_and_fully_encoded() {
    let claim = "AWS4-HMAC-SHA256 Credential=k/20261121/r/ebs/aws4_request,SignedHeaders=host,Signature=00";
    let request = Request::builder()
        .uri("/snapshots/snap-1/blocks?pageToken=a%2Fb%3D&maxResults=100&flag")
        .header("host", "h")
        .header("x-amz-date", DATE)
        .header("authorization", claim);
    let parts = request.body(()).unwrap().into_parts().0;
    let text = canonical::request(&SignatureClaim::read(&parts).unwrap(), &parts, "P");
    assert_eq!(
        text,
        "GET\n/snapshots/snap-1/blocks\nflag=&maxResults=100&pageToken=a%2Fb%3D\nhost:h\n\nhost\nP"
    );
}
