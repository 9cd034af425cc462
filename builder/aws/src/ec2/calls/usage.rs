//! Reports on the use of images by other accounts.

use super::super::super::query::{Timestamp, inputs, outputs};
use super::references::ReferenceOption;
use super::tags::{Tag, TagSpecification};

inputs! {
    /// Requests a report.
    CreateImageUsageReport {
        image: String = "ImageId",
        kinds: Vec<UsageKind> = "ResourceType",
        token: String = "ClientToken",
        tags: Vec<TagSpecification> = "TagSpecification",
    }

    /// A resource type to look at.
    UsageKind {
        kind: String = "ResourceType",
        options: Vec<ReferenceOption> = "ResourceTypeOption",
    }

    /// Reports and their states.
    DescribeImageUsageReports {
        images: Vec<String> = "ImageId",
        next_token: Option<String> = "NextToken",
    }

    /// What reports say.
    DescribeImageUsageReportEntries {
        reports: Vec<String> = "ReportId",
        next_token: Option<String> = "NextToken",
    }

    /// Deletes a report.
    DeleteImageUsageReport {
        report: String = "ReportId",
    }
}

outputs! {
    /// The id of a new report.
    UsageReportId {
        id: Option<String> = "reportId",
    }

    /// A page of reports.
    UsageReports {
        reports: Vec<UsageReport> = "imageUsageReportSet",
        next_token: Option<String> = "nextToken",
    }

    /// A report.
    UsageReport {
        id: Option<String> = "reportId",
        state: Option<String> = "state",
        reason: Option<String> = "stateReason",
        created: Option<Timestamp> = "creationTime",
        tags: Vec<Tag> = "tagSet",
    }

    /// A page of entries.
    UsageEntries {
        entries: Vec<UsageEntry> = "imageUsageReportEntrySet",
        next_token: Option<String> = "nextToken",
    }

    /// The use of an image by an account.
    UsageEntry {
        account: Option<String> = "accountId",
        kind: Option<String> = "resourceType",
        count: Option<u64> = "usageCount",
    }
}
