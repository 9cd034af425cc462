//! Tags and filters.

use super::super::super::query::{inputs, outputs};

inputs! {
    /// Sets tags; an existing value is replaced.
    CreateTags {
        resources: Vec<String> = "ResourceId",
        tags: Vec<NewTag> = "Tag",
    }

    /// A tag to set.
    NewTag {
        key: String = "Key",
        value: String = "Value",
    }

    /// The key of a tag to remove.
    NewTagKey {
        key: String = "Key",
    }

    /// Tags of the resources that a call creates.
    TagSpecification {
        resource_type: String = "ResourceType",
        tags: Vec<NewTag> = "Tag",
    }

    /// A filter: one of the values must match.
    Filter {
        name: String = "Name",
        values: Vec<String> = "Value",
    }
}

outputs! {
    /// A tag.
    Tag {
        key: Option<String> = "key",
        value: Option<String> = "value",
    }
}
