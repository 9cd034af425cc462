//! Finds the snapshot of an upload: that of the journal, if it still exists, or else a new one.

use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{LaterEncryption, ParentChoice, TAG_UPLOAD, UploadTask, is_completed, parent};
use crate::api::{DescribedSnapshot, Ebs, Encryption, SnapshotCalls, SnapshotState};
use crate::error::{PublishError, call_failed};
use crate::import::ledger;
use crate::journal::{Intent, Journal, JournalState, Record};
use crate::retry::{CREATION_LAG, CallStep, NoObserver, retry};
use crate::service_error::ServiceErrorKind;
use crate::services::SnapshotLookup;
use crate::wait;

/// State of the snapshot in a journal.
pub(super) enum UploadState {
    /// It accepts blocks, or may be sealed (again).
    Open {
        /// The snapshot.
        snapshot: String,
        /// Time since its start.
        age: Duration,
    },
    /// It is completed.
    Completed(DescribedSnapshot),
}

/// Whether `StartSnapshot` is called for the first time, according to the journal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StartAttempt {
    First,
    Repeated,
}

impl<E: Ebs, S: SnapshotCalls> UploadTask<'_, E, S> {
    /// Returns the journal and the snapshot to continue.
    pub(super) async fn begin(&self) -> Result<(Journal, UploadState), PublishError> {
        ledger::refuse_unfinished(self.folder.path())?;
        if let Some(journal) = Journal::open(self.folder.path())?
            && let Some(journal) = self.matching_journal(journal)?
            && let Some(resumed) = self.resume(journal).await?
        {
            return Ok(resumed);
        }
        let mut journal = Journal::create(self.folder.path(), self.intent().await?)?;
        let snapshot = self.start(&mut journal, StartAttempt::First).await?;
        Ok((journal, UploadState::Open { snapshot, age: Duration::ZERO }))
    }

    /// Returns the journal if it belongs to this upload. The journal of another, finished upload is archived.
    fn matching_journal(&self, journal: Journal) -> Result<Option<Journal>, PublishError> {
        let state = journal.state();
        let Some(difference) = self.difference(state) else { return Ok(Some(journal)) };
        let snapshot = match &state.started {
            Some((snapshot, _)) => snapshot.clone(),
            None => format!("a snapshot with the tag {TAG_UPLOAD}={}", state.intent.token),
        };
        if !state.finished {
            return Err(PublishError::OtherUpload { snapshot, difference });
        }
        journal.rename(&format!("{snapshot}.journal"))?;
        Ok(None)
    }

    /// Why a journal does not belong to this upload.
    fn difference(&self, state: &JournalState) -> Option<String> {
        let (intent, options) = (&state.intent, self.options);
        let choice = options.parent.as_ref().map(ParentChoice::text);
        if intent.identity != self.source.identity() || intent.size != self.source.size() {
            Some("it is of another image".to_owned())
        } else if intent.parent_choice.as_deref() != choice {
            let shown =
                |choice: Option<&str>| choice.map_or("no parent".to_owned(), |id| format!("the parent {id}"));
            Some(format!("it has {}, not {}", shown(intent.parent_choice.as_deref()), shown(choice)))
        } else if Encryption::from(intent.encryption.clone()) != options.encryption {
            Some("it asks for another encryption".to_owned())
        } else if !intent.may_be_encrypted && options.later == LaterEncryption::MayBeEncrypted {
            Some("no encrypted copies were announced there".to_owned())
        } else {
            None
        }
    }

    /// Looks up the snapshot of the journal; `None` if it no longer exists and a new one is needed.
    async fn resume(&self, mut journal: Journal) -> Result<Option<(Journal, UploadState)>, PublishError> {
        if journal.state().started.is_none() {
            // A repeated `StartSnapshot` returns the state of the first response, so the snapshot is looked up.
            self.start(&mut journal, StartAttempt::Repeated).await?;
        }
        let (id, started_at) = journal.state().started.clone().unwrap_or_default();
        let age = Duration::from_secs(u64::try_from(unix_time() - started_at).unwrap_or(0));
        let step = if age < CREATION_LAG { CallStep::EventuallyConsistent } else { CallStep::Idempotent };
        let known = self.services.find_snapshot(&id, step).await?;
        if journal.state().finished && !is_completed(&known) {
            return self.restart(journal, &id, "is not there any more");
        }
        match known {
            SnapshotLookup::Missing => self.restart(journal, &id, "is not there any more"),
            SnapshotLookup::Exists(snapshot) => match snapshot.state {
                SnapshotState::Completed => completed(journal, snapshot).map(Some),
                SnapshotState::Error if journal.state().sealing => Err(wait::snapshot_failed(&snapshot)),
                SnapshotState::Error => {
                    let why = snapshot.state_message.as_deref().unwrap_or("without a reason");
                    self.services.delete_snapshot(&id).await?;
                    self.restart(journal, &id, &format!("was given up by the service ({why}) and is deleted"))
                }
                _ => {
                    let sent = journal.state().acknowledged.len();
                    self.monitor.progress.message(&format!("continuing {id}, which has {sent} blocks"));
                    Ok(Some((journal, UploadState::Open { snapshot: id, age })))
                }
            },
        }
    }

    fn restart(
        &self,
        journal: Journal,
        id: &str,
        why: &str,
    ) -> Result<Option<(Journal, UploadState)>, PublishError> {
        self.monitor.progress.message(&format!("{id} {why}; a new snapshot is begun"));
        journal.rename(&format!("{id}.lost"))?;
        Ok(None)
    }

    /// Starts the snapshot of the intent.
    async fn start(&self, journal: &mut Journal, attempt: StartAttempt) -> Result<String, PublishError> {
        let request = journal.state().intent.start();
        let call = || self.services.ebs.start_snapshot(&request);
        let started = retry(&self.services.timer, CallStep::Start, &NoObserver, call).await;
        let started = match started {
            Err(exhausted)
                if attempt == StartAttempt::First
                    && exhausted.attempts == 1
                    && is_permanent_refusal(exhausted.error.kind) =>
            {
                // No snapshot was started, so there is nothing to resume or to abandon.
                std::fs::remove_file(journal.path())
                    .map_err(|source| PublishError::File { path: journal.path().to_owned(), source })?;
                return Err(call_failed("starting the snapshot")(exhausted));
            }
            other => other.map_err(call_failed("starting the snapshot"))?,
        };
        journal.append_synced(&Record::Started { snapshot: started.snapshot.clone(), at: unix_time() })?;
        if started.names_key && !journal.state().intent.write_zeros {
            journal.append_synced(&Record::WriteZeros)?;
        }
        Ok(started.snapshot)
    }

    /// Decides what the upload does. The decision is recorded in the journal and not changed later.
    async fn intent(&self) -> Result<Intent, PublishError> {
        let options = self.options;
        // With a requested encryption the account's default has no effect.
        let asks = options.encryption == Encryption::AsAccount;
        let encrypts_by_default = !asks || self.encryption_by_default().await?;
        let parent = match &options.parent {
            Some(choice) => {
                parent::choose(
                    self.services,
                    choice,
                    &self.source,
                    options,
                    encrypts_by_default,
                    self.monitor.progress,
                )
                .await?
            }
            None => None,
        };
        let write_zeros = encrypts_by_default
            || options.encryption != Encryption::AsAccount
            || options.later == LaterEncryption::MayBeEncrypted
            || parent.as_ref().is_some_and(|parent| parent.encrypted);
        let token =
            new_token().map_err(|source| PublishError::File { path: "/dev/urandom".into(), source })?;
        let mut tags: Vec<_> = options.tags.clone().into_iter().collect();
        tags.push((TAG_UPLOAD.to_owned(), token.clone()));
        Ok(Intent {
            region: self.services.region.clone(),
            identity: self.source.identity(),
            size: self.source.size(),
            volume_gib: self.source.volume_gib(),
            parent: parent.map(|parent| parent.id),
            parent_choice: options.parent.as_ref().map(|choice| choice.text().to_owned()),
            encryption: options.encryption.clone().into(),
            write_zeros,
            may_be_encrypted: options.later == LaterEncryption::MayBeEncrypted,
            description: options.description.clone(),
            tags,
            timeout_minutes: options.timeout_minutes,
            token,
        })
    }

    /// Whether the account encrypts by default. If that may not be read, encryption is assumed: this sends more blocks
    /// than necessary, but never too few.
    async fn encryption_by_default(&self) -> Result<bool, PublishError> {
        let call = || self.services.ec2.encryption_by_default();
        match retry(&self.services.timer, CallStep::Idempotent, &NoObserver, call).await {
            Ok(on) => Ok(on),
            Err(exhausted) if exhausted.error.kind == ServiceErrorKind::Interrupted => {
                Err(PublishError::Interrupted)
            }
            // Every other call would fail with the same error.
            Err(exhausted) if affects_every_call(exhausted.error.kind) => {
                Err(call_failed("asking whether the account encrypts by default")(exhausted))
            }
            Err(exhausted) => {
                self.monitor.progress.message(&format!(
                    "cannot ask whether the account encrypts by default, so blocks of zeros are sent too: {}",
                    exhausted.error
                ));
                Ok(true)
            }
        }
    }
}

/// Accepts a completed snapshot, which must have been sealed by this upload.
fn completed(journal: Journal, snapshot: DescribedSnapshot) -> Result<(Journal, UploadState), PublishError> {
    if journal.state().sealing {
        return Ok((journal, UploadState::Completed(snapshot)));
    }
    let problem = "it was completed by another process before all its blocks were sent".to_owned();
    Err(PublishError::InconsistentResponse { snapshot: snapshot.id, problem })
}

/// Whether an error means that no snapshot was started.
fn is_permanent_refusal(kind: ServiceErrorKind) -> bool {
    matches!(
        kind,
        ServiceErrorKind::Refused
            | ServiceErrorKind::Denied
            | ServiceErrorKind::NoCredentials
            | ServiceErrorKind::Quota
            | ServiceErrorKind::NotFound
            | ServiceErrorKind::Unreachable
            | ServiceErrorKind::Untrusted
    )
}

/// Whether an error affects every call: a connection or credentials error.
fn affects_every_call(kind: ServiceErrorKind) -> bool {
    matches!(
        kind,
        ServiceErrorKind::Unreachable
            | ServiceErrorKind::Untrusted
            | ServiceErrorKind::NoCredentials
            | ServiceErrorKind::Signature
    )
}

/// A random token of 32 hexadecimal digits.
pub(crate) fn new_token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Seconds since 1970, for the age of a snapshot. A clock before 1970 counts as zero.
fn unix_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(0))
}
