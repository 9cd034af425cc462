//! The six calls of EBS direct through `aws-sdk-ebs`.
//!
//! Blocks travel as they are: the bytes are neither copied nor hashed here (`PutSnapshotBlock` is signed with
//! `UNSIGNED-PAYLOAD`, and the service checks the digest that the manifest has). That one call is made by hand, in
//! [`super::blocks`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::image::Aggregate;
use amiforge_publish::api::{
    ChangedBlock, ChangedPage, Ebs, Encryption, FetchedBlock, ListedBlock, ListedPage, PutBlock,
    StartSnapshot, StartedSnapshot,
};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;
use aws_sdk_ebs::Client;
use aws_sdk_ebs::config::Builder;
use aws_sdk_ebs::operation::start_snapshot::builders::StartSnapshotFluentBuilder;
use aws_sdk_ebs::types::{ChecksumAggregationMethod, ChecksumAlgorithm, Tag};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::adaptive_timeout::AdaptiveTimeout;
use super::put_block::BlockSender;
use super::response_limit::{is_too_long, response_limit};
use super::service_error::{body_error, from_client_error};

/// Blocks asked for in one page, the most that the service gives.
const MAX_RESULTS: i32 = 10_000;

/// EBS direct.
#[derive(Debug, Clone)]
pub struct EbsClient {
    client: Client,
    blocks: Arc<BlockSender>,
    timeout: Arc<AdaptiveTimeout>,
}

impl EbsClient {
    pub(super) fn new(sdk: &SdkConfig, connector: SharedHttpConnector, attempt: Duration) -> Self {
        let timeout = Arc::new(AdaptiveTimeout::new(attempt));
        let blocks = Arc::new(BlockSender::new(sdk, connector));
        let client = Client::from_conf(Builder::from(sdk).interceptor(response_limit()).build());
        Self { client, blocks, timeout }
    }

    /// Transfers a block, within the time that it may take.
    async fn transfer<T>(
        &self,
        future: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        let (started, limit) = (Instant::now(), self.timeout.get());
        let Ok(done) = tokio::time::timeout(limit, future).await else {
            self.timeout.record_timeout(limit);
            let message = format!("no answer in {} s", limit.as_secs_f64());
            return Err(ServiceError::local(ServiceErrorKind::TimedOut, message));
        };
        self.timeout.record_transfer(started.elapsed());
        done
    }

    async fn fetch(&self, snapshot: &str, at: u64, token: &str) -> Result<FetchedBlock, ServiceError> {
        let call = self.client.get_snapshot_block().snapshot_id(snapshot).block_index(index(at)?);
        let response = call.block_token(token).send().await.map_err(from_client_error)?;
        let stated = response.checksum.unwrap_or_default();
        let failed = |error| {
            if is_too_long(&error) {
                unreadable("the block came with far more bytes than a block has")
            } else {
                body_error("the block broke off", &error)
            }
        };
        let bytes = response.block_data.collect().await.map_err(failed)?.into_bytes();
        // The answer was whole: one that is cut short on its way ends before its stated length.
        if bytes.len() as u64 != BLOCK {
            let message =
                format!("the service gave {} bytes as the block, and a block has {BLOCK}", bytes.len());
            return Err(ServiceError::local(ServiceErrorKind::Checksum, message));
        }
        let digest = Digest::of(&bytes);
        if BASE64.encode(digest.0) != stated {
            let message = format!("the block came with SHA-256 {digest}, and the service states {stated}");
            return Err(ServiceError::local(ServiceErrorKind::Checksum, message));
        }
        Ok(FetchedBlock { bytes, digest })
    }
}

impl Ebs for EbsClient {
    async fn start_snapshot(&self, request: &StartSnapshot) -> Result<StartedSnapshot, ServiceError> {
        let tags = request.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let call = self
            .client
            .start_snapshot()
            .volume_size(i64::from(request.volume_gib))
            .set_parent_snapshot_id(request.parent.clone())
            .set_description(request.description.clone())
            .set_tags(Some(tags.collect()))
            .client_token(&request.token)
            .timeout(i32::from(request.timeout_minutes));
        let response = with_encryption(call, &request.encryption).send().await.map_err(from_client_error)?;
        check_block_size(response.block_size)?;
        let snapshot = response.snapshot_id.ok_or_else(|| unreadable("StartSnapshot gave no id"))?;
        Ok(StartedSnapshot { snapshot, names_key: response.kms_key_arn.is_some() })
    }

    async fn put_block(&self, snapshot: &str, put: PutBlock) -> Result<(), ServiceError> {
        index(put.index)?;
        let digest = BASE64.encode(put.digest.0);
        self.transfer(self.blocks.put(snapshot, put, &digest)).await
    }

    async fn complete_snapshot(&self, snapshot: &str, written: Aggregate) -> Result<(), ServiceError> {
        let count = i32::try_from(written.blocks).map_err(|_| beyond_volume(written.blocks))?;
        self.client
            .complete_snapshot()
            .snapshot_id(snapshot)
            .changed_blocks_count(count)
            .checksum(BASE64.encode(written.sha256.0))
            .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
            .checksum_aggregation_method(ChecksumAggregationMethod::ChecksumAggregationLinear)
            .send()
            .await
            .map_err(from_client_error)?;
        Ok(())
    }

    async fn list_blocks(
        &self,
        snapshot: &str,
        from: u64,
        page: Option<String>,
    ) -> Result<ListedPage, ServiceError> {
        let call = self.client.list_snapshot_blocks().snapshot_id(snapshot).max_results(MAX_RESULTS);
        let call = match page {
            Some(page) => call.next_token(page),
            None => call.starting_block_index(index(from)?),
        };
        let response = call.send().await.map_err(from_client_error)?;
        check_block_size(response.block_size)?;
        let blocks = response.blocks.unwrap_or_default().into_iter().map(|block| {
            let (index, token) = (block.block_index, block.block_token);
            let (Some(index), Some(token)) = (index.and_then(|index| u64::try_from(index).ok()), token)
            else {
                return Err(unreadable("ListSnapshotBlocks gave a block without its index or token"));
            };
            Ok(ListedBlock { index, token })
        });
        Ok(ListedPage {
            blocks: blocks.collect::<Result<_, _>>()?,
            volume_gib: response.volume_size.and_then(|gib| u64::try_from(gib).ok()).unwrap_or(0),
            next: response.next_token.filter(|token| !token.is_empty()),
        })
    }

    async fn list_changed_blocks(
        &self,
        first: &str,
        second: &str,
        page: Option<String>,
    ) -> Result<ChangedPage, ServiceError> {
        let call = self.client.list_changed_blocks().first_snapshot_id(first).second_snapshot_id(second);
        let response =
            call.max_results(MAX_RESULTS).set_next_token(page).send().await.map_err(from_client_error)?;
        check_block_size(response.block_size)?;
        let blocks = response.changed_blocks.unwrap_or_default().into_iter().map(|block| {
            let index = block.block_index.and_then(|index| u64::try_from(index).ok());
            let index =
                index.ok_or_else(|| unreadable("ListChangedBlocks gave a block without its index"))?;
            Ok(ChangedBlock { index, first: block.first_block_token, second: block.second_block_token })
        });
        Ok(ChangedPage {
            blocks: blocks.collect::<Result<_, _>>()?,
            next: response.next_token.filter(|token| !token.is_empty()),
        })
    }

    async fn read_block(&self, snapshot: &str, at: u64, token: &str) -> Result<FetchedBlock, ServiceError> {
        self.transfer(self.fetch(snapshot, at, token)).await
    }
}

fn with_encryption(call: StartSnapshotFluentBuilder, encryption: &Encryption) -> StartSnapshotFluentBuilder {
    match encryption {
        Encryption::AsAccount => call,
        Encryption::DefaultKey => call.encrypted(true),
        Encryption::Key(arn) => call.encrypted(true).kms_key_arn(arn),
    }
}

/// The service states its block size in every answer that has to do with blocks; ours are made for one.
fn check_block_size(stated: Option<i32>) -> Result<(), ServiceError> {
    match stated {
        Some(stated) if stated as u64 == BLOCK => Ok(()),
        Some(stated) => Err(unreadable(format!("the service has blocks of {stated} bytes, not {BLOCK}"))),
        None => Err(unreadable("the service does not state the size of its blocks")),
    }
}

fn index(index: u64) -> Result<i32, ServiceError> {
    i32::try_from(index).map_err(|_| beyond_volume(index))
}

fn beyond_volume(index: u64) -> ServiceError {
    ServiceError::local(ServiceErrorKind::Refused, format!("block {index} lies beyond the largest volume"))
}

fn unreadable(message: impl Into<String>) -> ServiceError {
    ServiceError::local(ServiceErrorKind::Unreadable, message)
}
