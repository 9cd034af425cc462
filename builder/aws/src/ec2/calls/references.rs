//! What names an image, and the tags of resources by their value.

use super::super::super::query::{inputs, outputs};
use super::tags::Filter;

inputs! {
    /// The account's resources that name images; at most ten images.
    DescribeImageReferences {
        images: Vec<String> = "ImageId",
        all: bool = "IncludeAllResourceTypes",
        kinds: Vec<ReferenceKind> = "ResourceType",
        next_token: Option<String> = "NextToken",
    }

    /// A resource type to look at.
    ReferenceKind {
        kind: String = "ResourceType",
        options: Vec<ReferenceOption> = "ResourceTypeOption",
    }

    /// An option of a resource type.
    ReferenceOption {
        name: String = "OptionName",
        values: Vec<String> = "OptionValue",
    }

    /// The tags of resources.
    DescribeTags {
        filters: Vec<Filter> = "Filter",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }
}

outputs! {
    /// A page of references.
    ImageReferences {
        references: Vec<Reference> = "imageReferenceSet",
        next_token: Option<String> = "nextToken",
    }

    /// A resource that names an image.
    Reference {
        image: Option<String> = "imageId",
        kind: Option<String> = "resourceType",
        arn: Option<String> = "arn",
    }

    /// A page of tags.
    TagRows {
        rows: Vec<TagRow> = "tagSet",
        next_token: Option<String> = "nextToken",
    }

    /// A tag of a resource.
    TagRow {
        id: Option<String> = "resourceId",
    }
}
