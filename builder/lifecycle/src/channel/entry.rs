//! What the ledger of a channel says: the change, and how far it is in each region.

use serde::{Deserialize, Serialize};

/// Kind and version of the ledger's records.
pub const LEDGER_KIND: &str = "channel-1";

/// A change of a channel: which image each of its parameters is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The kind.
    pub kind: ChangeKind,
    /// Name of the image.
    pub name: String,
    /// The channel.
    pub channel: String,
    /// Version of the image, if all parameters get the same one.
    pub version: Option<String>,
    /// For a roll back, what it was asked to go back to.
    pub to: Option<String>,
    /// Regions of the channel that this change leaves as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_regions: Vec<String>,
    /// The parameters, sorted by region and name. The first is set alone before all others: of two operators who begin
    /// at the same time, only the first gets beyond it.
    pub targets: Vec<Target>,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// The channel gets an image that it did not hold.
    Promote,
    /// The channel gets an image that it held.
    Rollback,
}

impl ChangeKind {
    /// The command, as a verb.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        }
    }
}

/// A parameter that a change sets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The region.
    pub region: String,
    /// Name of the parameter.
    pub parameter: String,
    /// The image that it is to hold.
    pub image: String,
    /// For a roll back, the version of the parameter that held the image.
    pub to: Option<u64>,
    /// Labels for the version that is set.
    pub labels: Vec<String>,
}

/// A version of a parameter, and the image that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Number of the version.
    pub version: u64,
    /// The image.
    pub image: String,
}

/// A record of the ledger. `target` is an index into [`Change::targets`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// The first record.
    Begin {
        /// The change.
        change: Change,
    },
    /// The parameter is about to be set.
    Setting {
        /// Index of the target.
        target: usize,
        /// What it held; `None` if it did not exist.
        before: Option<Held>,
    },
    /// The parameter holds the image.
    Set {
        /// Index of the target.
        target: usize,
        /// Number of the version.
        version: u64,
    },
    /// Every parameter holds its image: from here on the change is completed, and no longer set back.
    Committed,
    /// The labels are with their versions; nothing is left to do.
    Done,
    /// The outcome has been shown to the user.
    Shown,
    /// The change is being set back.
    SettingBack,
    /// The parameter is as it was, or must be left as it is.
    SetBack {
        /// Index of the target.
        target: usize,
    },
    /// Nothing is left of the change, or others have changed the channel since.
    Closed,
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Parameters are being set.
    Open,
    /// All parameters are set, and labels are missing.
    Committed,
    /// It is complete.
    Done {
        /// Whether the user has seen the outcome.
        shown: bool,
    },
    /// It is being set back.
    SettingBack,
    /// It is over without an effect.
    Closed,
}

/// A change, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) change: Change,
    pub(super) stage: Stage,
    /// One for each target.
    pub(super) slots: Vec<Slot>,
}

/// How far a target is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// Whether this change has touched the parameter.
    pub(super) touched: bool,
    /// What the parameter held before that; `None` if it did not exist.
    pub(super) before: Option<Held>,
    /// The version that holds the image.
    pub(super) version: Option<u64>,
    /// Whether it is set back.
    pub(super) set_back: bool,
}

impl Entry {
    /// The entry of a new change.
    pub(super) fn new(change: Change) -> Self {
        let slots = vec![Slot::default(); change.targets.len()];
        Self { change, stage: Stage::Open, slots }
    }

    /// The entry that records describe; `None` if they begin with none.
    pub(super) fn replay(records: &[Record]) -> Option<Self> {
        let (Record::Begin { change }, rest) = records.split_first()? else { return None };
        let mut entry = Self::new(change.clone());
        for record in rest {
            entry.apply(record);
        }
        Some(entry)
    }

    /// Applies a record that follows.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Begin { .. } => {}
            Record::Setting { target, before } => {
                if let Some(slot) = self.slots.get_mut(*target)
                    && !slot.touched
                {
                    (slot.touched, slot.before) = (true, before.clone());
                }
            }
            Record::Set { target, version } => {
                if let Some(slot) = self.slots.get_mut(*target) {
                    slot.version = Some(*version);
                }
            }
            Record::Committed => self.stage = Stage::Committed,
            Record::Done => self.stage = Stage::Done { shown: false },
            Record::Shown => {
                if matches!(self.stage, Stage::Done { .. }) {
                    self.stage = Stage::Done { shown: true };
                }
            }
            Record::SettingBack => self.stage = Stage::SettingBack,
            Record::SetBack { target } => {
                if let Some(slot) = self.slots.get_mut(*target) {
                    slot.set_back = true;
                }
            }
            Record::Closed => self.stage = Stage::Closed,
        }
    }
}

impl Change {
    /// All regions of the channel, sorted.
    pub fn regions(&self) -> Vec<String> {
        let own = self.targets.iter().map(|target| target.region.clone());
        let mut regions: Vec<_> = own.chain(self.other_regions.clone()).collect();
        regions.sort();
        regions.dedup();
        regions
    }

    /// Whether another change sets the same parameters to the same images.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let key = |target: &Target| (target.region.clone(), target.parameter.clone(), target.image.clone());
        self.kind == other.kind && self.targets.iter().map(key).eq(other.targets.iter().map(key))
    }

    /// The image and version for messages: `web 1.2`, or `web`.
    pub fn title(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> Change {
        let target = |region: &str| Target {
            region: region.to_owned(),
            parameter: "/amiforge/web/stable".to_owned(),
            image: "ami-2".to_owned(),
            to: None,
            labels: Vec::new(),
        };
        Change {
            kind: ChangeKind::Promote,
            name: "web".to_owned(),
            channel: "stable".to_owned(),
            version: Some("2".to_owned()),
            to: None,
            other_regions: Vec::new(),
            targets: vec![target("local"), target("local-2")],
        }
    }

    #[test]
    fn the_first_state_of_a_parameter_is_the_one_to_go_back_to() {
        let held = |version: u64| Some(Held { version, image: "ami-1".to_owned() });
        let mut records = vec![
            Record::Begin { change: change() },
            Record::Setting { target: 0, before: held(1) },
            Record::Setting { target: 0, before: held(2) },
            Record::Set { target: 0, version: 3 },
            Record::Setting { target: 1, before: None },
        ];
        let entry = Entry::replay(&records).unwrap();
        assert_eq!((&entry.slots[0].before, entry.slots[0].version), (&held(1), Some(3)));
        assert_eq!((entry.slots[1].touched, &entry.slots[1].before), (true, &None));
        records.extend([Record::Committed, Record::Done]);
        assert_eq!(Entry::replay(&records).unwrap().stage, Stage::Done { shown: false });
        records.push(Record::Shown);
        assert_eq!(Entry::replay(&records).unwrap().stage, Stage::Done { shown: true });
        assert!(Entry::replay(&records[1..]).is_none());
        // An index of a damaged or foreign ledger is no panic.
        Entry::new(change()).apply(&Record::Set { target: 9, version: 1 });
    }

    #[test]
    fn records_are_those_of_earlier_versions() {
        let record =
            Record::Setting { target: 1, before: Some(Held { version: 4, image: "ami-1".to_owned() }) };
        let text = r#"{"record":"setting","target":1,"before":{"version":4,"image":"ami-1"}}"#;
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
        assert_eq!(serde_json::to_string(&Record::SettingBack).unwrap(), r#"{"record":"setting-back"}"#);
        let begin = serde_json::to_value(Record::Begin { change: change() }).unwrap();
        assert_eq!(begin["change"]["targets"][0]["image"], "ami-2");
        assert_eq!(begin["change"]["kind"], "promote");
    }
}
