//! The client of S3 against moto, and boto3 as the reader of its object.

use amiforge_aws::{AccessKeys, AwsConfig, ConnectOptions};
use amiforge_formats::digest::Digest;
use amiforge_publish::api::imports::{ImportCalls as _, ImportRegions as _, NewPart, ObjectName, PartUpload};
use amiforge_tests::archive::noise;
use amiforge_tests::moto::Moto;
use amiforge_tests::{python, scratch};

#[test]
fn moto_takes_an_object_in_parts_and_boto3_reads_it() {
    let Some(python) = python::with(&["boto3", "moto.server"]) else { return };
    let folder = scratch::folder();
    let moto = Moto::start(&python);
    python::must(&python, "import/objects.py", &[moto.endpoint.as_str(), "create", "imports", "-"]);
    let options = ConnectOptions {
        region: Some("us-east-1".to_owned()),
        endpoint: Some(moto.endpoint.clone()),
        keys: Some(AccessKeys { id: "testing".to_owned(), secret: "testing".to_owned() }),
        ..ConnectOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bytes = noise(11 << 20, 3);
    std::fs::write(folder.path().join("expected"), &bytes).unwrap();
    let object = ObjectName { bucket: "imports".to_owned(), key: "amiforge/a b+ü.raw".to_owned() };
    runtime.block_on(async {
        let config = AwsConfig::load(&options).await.unwrap();
        let calls = config.import("us-east-1");
        assert_eq!(calls.bucket_region("imports").await.unwrap(), "us-east-1");
        assert_eq!(calls.object(&object).await.unwrap(), None);
        let abandoned =
            PartUpload { id: calls.create_upload(&object).await.unwrap(), object: object.clone() };
        assert_eq!(calls.uploads(&object).await.unwrap(), std::slice::from_ref(&abandoned.id));
        calls.abort_upload(&abandoned).await.unwrap();
        assert!(calls.uploads(&object).await.unwrap().is_empty());
        let upload = PartUpload { id: calls.create_upload(&object).await.unwrap(), object: object.clone() };
        for (number, chunk) in (1..).zip(bytes.chunks(8 << 20)) {
            let part = NewPart { number, bytes: chunk.to_vec().into(), digest: Digest::of(chunk) };
            calls.put_part(&upload, part).await.unwrap();
        }
        let parts = calls.parts(&upload).await.unwrap();
        assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 2]);
        calls.complete_upload(&upload, &parts).await.unwrap();
        let stored = calls.object(&object).await.unwrap().unwrap();
        assert_eq!(stored.len, bytes.len() as u64);
    });
    let file = folder.path().join("read");
    let args = [moto.endpoint.as_str(), "read", "imports/amiforge/a b+ü.raw", file.to_str().unwrap()];
    python::must(&python, "import/objects.py", &args);
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    runtime.block_on(async {
        let calls = AwsConfig::load(&options).await.unwrap().import("us-east-1");
        calls.delete_object(&object).await.unwrap();
        assert_eq!(calls.object(&object).await.unwrap(), None);
    });
}
