//! Malformed responses: each is an error at once, after one request. A response that was cut off is requested again.

use std::io::Write as _;
use std::time::{Duration, Instant};

use amiforge_aws::{AccessKeys, AwsConfig, ConnectOptions};
use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_publish::api::ec2::{Ec2 as _, ImageQuery, NewImage};
use amiforge_publish::api::{Ebs as _, PutBlock, SnapshotCalls as _};
use amiforge_publish::retry::{CallStep, NoObserver, RetryExhausted, retry};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::timer::Timer;
use tokio::runtime::Runtime;

use super::server::Server;

/// A server and a client that is connected to it.
struct Client {
    config: AwsConfig,
    runtime: Runtime,
    server: Server,
}

impl Client {
    fn of(server: Server) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = ConnectOptions {
            region: Some("local".to_owned()),
            profile: None,
            endpoint: Some(server.endpoint.clone()),
            attempt_timeout: None,
            keys: Some(AccessKeys { id: "id".to_owned(), secret: "secret".to_owned() }),
        };
        let config = runtime.block_on(AwsConfig::load(&options)).unwrap();
        Self { config, runtime, server }
    }

    /// Does one call as publishing does it, and gives the error.
    fn fails<T, F>(&self, step: CallStep, call: impl FnMut() -> F) -> RetryExhausted
    where
        F: Future<Output = Result<T, ServiceError>>,
    {
        let begun = Instant::now();
        let result = self.runtime.block_on(retry(&Timer::default(), step, &NoObserver, call));
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        result.err().expect("an error")
    }

    /// The errors of calls of EC2 that parse a response; each must have been made once.
    fn ec2(&self) -> Vec<ServiceError> {
        let ec2 = self.config.ec2();
        let query = ImageQuery::by_name("x");
        let image = NewImage {
            name: "x".to_owned(),
            description: None,
            architecture: "x86_64".to_owned(),
            boot_mode: "uefi".to_owned(),
            tpm: None,
            uefi_data: None,
            imds: None,
            root_device: "/dev/xvda".to_owned(),
            mappings: Vec::new(),
            tags: std::collections::BTreeMap::new(),
        };
        let all = [
            self.fails(CallStep::EventuallyConsistent, || ec2.describe_images(&query)),
            self.fails(CallStep::Idempotent, || ec2.register_image(&image)),
            self.fails(CallStep::EventuallyConsistent, || ec2.describe_snapshot("snap-1")),
            self.fails(CallStep::Idempotent, || ec2.launch_permissions("ami-1")),
        ];
        let errors: Vec<_> = all.into_iter().map(|gave_up| (*gave_up.error, gave_up.attempts)).collect();
        assert!(errors.iter().all(|(_, tries)| *tries == 1), "{errors:?}");
        assert_eq!(self.server.requests(), errors.len());
        errors.into_iter().map(|(error, _)| error).collect()
    }
}

#[test]
fn a_malformed_response_is_refused_at_once() {
    let deep = format!("<DescribeImagesResponse>{}", "<a>".repeat(1 << 20));
    for body in [
        "",
        "{\"images\": []}",
        "<html><body>Sign in to the network</body></html>",
        "<DescribeImagesResponse><imagesSet><item><imageId>ami-1</imageId>",
        "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>",
        "<x><y></x></y>",
        &deep,
    ] {
        let client =
            Client::of(Server::respond_with(200, "x-amzn-requestid: r-7\r\n", body.as_bytes().to_vec()));
        for error in client.ec2() {
            assert_eq!(error.kind, ServiceErrorKind::Unreadable, "{body:.80}: {error}");
            assert!(error.message.starts_with("the answer of ") && error.message.len() < 400, "{error}");
        }
    }
}

#[test]
fn a_field_of_another_type_is_refused_at_once_and_named() {
    let body = "<DescribeImagesResponse><imagesSet><item><isPublic>maybe</isPublic></item></imagesSet></DescribeImagesResponse>";
    let client = Client::of(Server::respond_with(200, "", body.into()));
    let (ec2, query) = (client.config.ec2(), ImageQuery::by_name("x"));
    let gave_up = client.fails(CallStep::EventuallyConsistent, || ec2.describe_images(&query));
    assert_eq!((gave_up.attempts, gave_up.error.kind), (1, ServiceErrorKind::Unreadable));
    let words =
        "the answer of DescribeImages cannot be read: its `isPublic` is `maybe`: neither `true` nor `false`";
    assert_eq!(gave_up.error.to_string(), words);
}

#[test]
fn pages_that_never_end_are_noticed() {
    let body = "<DescribeImagesResponse><imagesSet/><nextToken>again</nextToken></DescribeImagesResponse>";
    let client = Client::of(Server::respond_with(200, "", body.into()));
    let (ec2, query) = (client.config.ec2(), ImageQuery::by_name("x"));
    let gave_up = client.fails(CallStep::EventuallyConsistent, || ec2.describe_images(&query));
    assert_eq!((gave_up.attempts, gave_up.error.kind), (1, ServiceErrorKind::Unreadable), "{gave_up:?}");
    assert_eq!(client.server.requests(), 2);
}

#[test]
fn an_endless_response_fills_no_memory() {
    let announced = Server::start(|stream| {
        write!(stream, "HTTP/1.1 200 X\r\ncontent-length: 99999999999\r\n\r\n")?;
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    });
    let endless = Server::start(|stream| {
        write!(stream, "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let chunk = [b"10000\r\n".to_vec(), vec![b'<'; 1 << 16], b"\r\n".to_vec()].concat();
        loop {
            stream.write_all(&chunk)?;
        }
    });
    for server in [announced, endless] {
        let client = Client::of(server);
        for error in client.ec2() {
            assert_eq!(error.kind, ServiceErrorKind::Unreadable, "{error}");
        }
        let ebs = client.config.ebs();
        let gave_up = client.fails(CallStep::Read, || ebs.list_blocks("snap-1", 0, None));
        assert_eq!((gave_up.attempts, gave_up.error.kind), (1, ServiceErrorKind::Unreadable), "{gave_up:?}");
        let gave_up = client.fails(CallStep::Read, || ebs.read_block("snap-1", 0, "token"));
        assert_eq!((gave_up.attempts, gave_up.error.kind), (1, ServiceErrorKind::Unreadable), "{gave_up:?}");
    }
}

#[test]
fn a_malformed_response_of_ebs_direct_is_not_requested_again() {
    for body in [
        "{\"BlockSize\": \"512 KiB\", \"VolumeSize\": 1, \"Blocks\": []}",
        "{\"BlockSize\": 524288, \"Blocks\": [{\"BlockIndex\": \"one\"}], \"ChangedBlocks\": [{\"BlockIndex\": \"one\"}]}",
        "{\"BlockSize\": 524288, \"Blocks\": [",
        "<html></html>",
    ] {
        let client = Client::of(Server::respond_with(200, "x-amzn-requestid: r-7\r\n", body.into()));
        let ebs = client.config.ebs();
        let listed = client.fails(CallStep::Read, || ebs.list_blocks("snap-1", 0, None));
        let changed = client.fails(CallStep::Read, || ebs.list_changed_blocks("snap-1", "snap-2", None));
        for gave_up in [listed, changed] {
            assert_eq!(
                (gave_up.attempts, gave_up.error.kind),
                (1, ServiceErrorKind::Unreadable),
                "{body}: {gave_up:?}"
            );
        }
        assert_eq!(client.server.requests(), 2);
    }
    let client = Client::of(Server::respond_with(200, "x-amz-data-length: many\r\n", b"x".to_vec()));
    let ebs = client.config.ebs();
    let gave_up = client.fails(CallStep::Read, || ebs.read_block("snap-1", 0, "token"));
    assert_eq!((gave_up.attempts, gave_up.error.kind), (1, ServiceErrorKind::Unreadable), "{gave_up:?}");
    assert!(gave_up.error.message.len() > 20, "{gave_up:?}");
}

#[test]
fn a_response_that_was_cut_off_is_requested_again() {
    let server = Server::start(|stream| {
        write!(stream, "HTTP/1.1 200 X\r\ncontent-length: 900\r\n\r\n<DescribeImagesResponse>")
    });
    let client = Client::of(server);
    let ec2 = client.config.ec2();
    let query = ImageQuery::by_name("x");
    let error = client.runtime.block_on(ec2.describe_images(&query)).unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Transport, "{error}");
    let ebs = client.config.ebs();
    let error = client.runtime.block_on(ebs.list_blocks("snap-1", 0, None)).unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Transport, "{error}");
}

#[test]
fn a_refusal_keeps_code_message_and_request() {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>InvalidAMIID.Malformed</Code>\
        <Message>Invalid id: &quot;x&quot;</Message></Error></Errors><RequestID>r-9</RequestID></Response>";
    let client = Client::of(Server::respond_with(400, "", body.into()));
    for error in client.ec2() {
        assert_eq!((error.kind, error.status), (ServiceErrorKind::Refused, Some(400)));
        assert_eq!(error.code.as_deref(), Some("InvalidAMIID.Malformed"));
        assert_eq!((error.message.as_str(), error.request_id.as_deref()), ("Invalid id: \"x\"", Some("r-9")));
    }
    // The response of a gateway has no error code; its status decides the kind.
    for (status, kind) in [
        (502, ServiceErrorKind::Service),
        (429, ServiceErrorKind::Throttled),
        (403, ServiceErrorKind::Denied),
    ] {
        let client =
            Client::of(Server::respond_with(status, "x-amzn-requestid: r-8\r\n", b"<html>no".to_vec()));
        let ec2 = client.config.ec2();
        let error = client.runtime.block_on(ec2.describe_images(&ImageQuery::by_name("x"))).unwrap_err();
        assert_eq!((error.kind, error.status), (kind, Some(status)), "{error}");
        assert_eq!(error.request_id.as_deref(), Some("r-8"));
    }
}

#[test]
fn a_block_of_another_length_is_not_a_transport_error() {
    for body in [Vec::new(), vec![1; 100], vec![1; BLOCK as usize - 1], vec![1; BLOCK as usize + 1]] {
        let words = format!("the service gave {} bytes as the block, and a block has {BLOCK}", body.len());
        let client = Client::of(Server::respond_with(200, "x-amz-data-length: 524288\r\n", body));
        let ebs = client.config.ebs();
        let gave_up = client.fails(CallStep::Read, || ebs.read_block("snap-1", 0, "token"));
        assert_eq!((gave_up.attempts, gave_up.error.kind), (1, ServiceErrorKind::Checksum), "{gave_up:?}");
        assert_eq!(gave_up.error.to_string(), words);
    }
}

#[test]
fn a_block_counts_as_written_only_where_the_answer_states_its_checksum() {
    let bytes = vec![7; BLOCK as usize];
    let put = PutBlock { index: 0, digest: Digest::of(&bytes), bytes: bytes.into() };
    for (status, headers, kind) in [
        (200, "", ServiceErrorKind::Unreadable),
        (201, "x-amz-checksum: AAAA\r\n", ServiceErrorKind::Checksum),
    ] {
        let client = Client::of(Server::respond_with(status, headers, b"<html>Sign in</html>".to_vec()));
        let ebs = client.config.ebs();
        let step = CallStep::Put { created_at: Duration::ZERO };
        let gave_up = client.fails(step, || ebs.put_block("snap-1", put.clone()));
        assert_eq!((gave_up.attempts, gave_up.error.kind), (1, kind), "{gave_up:?}");
    }
}

#[test]
fn a_server_that_does_not_speak_http_is_refused_at_once() {
    for answer in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 200 X\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let client = Client::of(Server::start(move |stream| stream.write_all(answer.as_bytes())));
        let ec2 = client.config.ec2();
        let gave_up = client.fails(CallStep::Idempotent, || ec2.describe_snapshot("snap-1"));
        assert_eq!(
            (gave_up.attempts, gave_up.error.kind),
            (1, ServiceErrorKind::Unreadable),
            "{answer}: {gave_up:?}"
        );
        let ebs = client.config.ebs();
        let gave_up = client.fails(CallStep::Read, || ebs.read_block("snap-1", 0, "token"));
        assert_eq!(
            (gave_up.attempts, gave_up.error.kind),
            (1, ServiceErrorKind::Unreadable),
            "{answer}: {gave_up:?}"
        );
    }
}
