//! The log of requests, which tests evaluate and `--log` writes to a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use serde::Serialize;

use crate::error::Error;
use crate::sync::lock;

/// A request that was authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedRequest {
    /// `ebs`, `ec2`, `kms`, `ssm`, `s3` or `sts`.
    pub service: &'static str,
    /// The operation: `PutSnapshotBlock`, ...
    pub action: String,
    /// The region of the request.
    pub region: String,
    /// The path and query of the request.
    pub target: String,
    /// The status of the response; 0 if the connection was closed without one.
    pub status: u16,
}

/// A log of requests, in the order of their responses.
#[derive(Debug, Default)]
pub struct RequestLog {
    requests: Mutex<Vec<LoggedRequest>>,
    file: Option<Mutex<File>>,
}

impl RequestLog {
    /// A log in memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// A log that is written to a file instead, one line of JSON for each request.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn to_file(path: &Path) -> Result<Self, Error> {
        let file = File::options().create(true).append(true).open(path).map_err(Error::io("write", path))?;
        Ok(Self { requests: Mutex::default(), file: Some(Mutex::new(file)) })
    }

    /// The requests logged so far.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        lock(&self.requests).clone()
    }

    /// The number of responses with a status of 200 to 299, by operation.
    pub fn successes(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in lock(&self.requests).iter().filter(|request| (200..300).contains(&request.status)) {
            *counts.entry(request.action.clone()).or_default() += 1;
        }
        counts
    }

    /// Removes all entries.
    pub fn clear(&self) {
        lock(&self.requests).clear();
    }

    pub(crate) fn record(&self, request: LoggedRequest) {
        let Some(file) = &self.file else {
            lock(&self.requests).push(request);
            return;
        };
        if let Ok(mut line) = serde_json::to_vec(&request) {
            line.push(b'\n');
            // A log that cannot be written must not fail the request.
            let _ = lock(file).write_all(&line);
        }
    }
}
