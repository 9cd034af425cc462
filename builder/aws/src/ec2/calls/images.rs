//! Images, their attributes and their protection.

use super::super::super::query::{Timestamp, inputs, outputs};
use super::tags::{Filter, Tag, TagSpecification};

inputs! {
    /// Registers an image.
    RegisterImage {
        name: String = "Name",
        description: Option<String> = "Description",
        architecture: String = "Architecture",
        virtualization: String = "VirtualizationType",
        ena: bool = "EnaSupport",
        sriov: String = "SriovNetSupport",
        boot_mode: String = "BootMode",
        tpm: Option<String> = "TpmSupport",
        uefi_data: Option<String> = "UefiData",
        imds: Option<String> = "ImdsSupport",
        root_device: String = "RootDeviceName",
        mappings: Vec<NewMapping> = "BlockDeviceMapping",
        tags: Vec<TagSpecification> = "TagSpecification",
    }

    /// A block device mapping of an image to register.
    NewMapping {
        device: String = "DeviceName",
        virtual_name: Option<String> = "VirtualName",
        ebs: Option<NewVolume> = "Ebs",
    }

    /// The EBS volume of a mapping.
    NewVolume {
        snapshot: Option<String> = "SnapshotId",
        /// GiB.
        size: Option<u64> = "VolumeSize",
        volume_type: Option<String> = "VolumeType",
        iops: Option<u64> = "Iops",
        /// MiB per second.
        throughput: Option<u64> = "Throughput",
        delete_on_termination: bool = "DeleteOnTermination",
        encrypted: Option<bool> = "Encrypted",
    }

    /// Copies an image of another region into this one.
    CopyImage {
        name: String = "Name",
        description: Option<String> = "Description",
        image: String = "SourceImageId",
        region: String = "SourceRegion",
        token: String = "ClientToken",
        encrypted: Option<bool> = "Encrypted",
        key: Option<String> = "KmsKeyId",
        tags: Vec<TagSpecification> = "TagSpecification",
        within_minutes: Option<u64> = "SnapshotCopyCompletionDurationMinutes",
    }

    /// Attaches a watermark to an image that is not public.
    AttachImageWatermark {
        image: String = "ImageId",
        name: String = "WatermarkName",
    }

    /// Lists images.
    DescribeImages {
        ids: Vec<String> = "ImageId",
        owners: Vec<String> = "Owner",
        filters: Vec<Filter> = "Filter",
        include_deprecated: Option<bool> = "IncludeDeprecated",
        include_disabled: Option<bool> = "IncludeDisabled",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// An attribute of an image.
    DescribeImageAttribute {
        image: String = "ImageId",
        attribute: String = "Attribute",
    }

    /// Changes the launch permissions of an image.
    ModifyImageAttribute {
        image: String = "ImageId",
        launch: LaunchPermissionChange = "LaunchPermission",
    }

    /// Launch permissions to add and to remove.
    LaunchPermissionChange {
        add: Vec<NewLaunchPermission> = "Add",
        remove: Vec<NewLaunchPermission> = "Remove",
    }

    /// A launch permission: one of the four fields.
    NewLaunchPermission {
        group: Option<String> = "Group",
        account: Option<String> = "UserId",
        organization: Option<String> = "OrganizationArn",
        organizational_unit: Option<String> = "OrganizationalUnitArn",
    }

    /// Sets the time from which an image is listed only by its id.
    EnableImageDeprecation {
        image: String = "ImageId",
        at: Timestamp = "DeprecateAt",
    }

    /// Enables deregistration protection.
    EnableImageDeregistrationProtection {
        image: String = "ImageId",
        with_cooldown: bool = "WithCooldown",
    }

    /// Disables deregistration protection, effective at once or after its cooldown.
    DisableImageDeregistrationProtection {
        image: String = "ImageId",
    }

    /// Deregisters an image; its snapshots are kept unless their deletion is requested.
    DeregisterImage {
        image: String = "ImageId",
        delete_snapshots: Option<bool> = "DeleteAssociatedSnapshots",
    }
}

outputs! {
    /// The id of a new image.
    NewImageId {
        id: Option<String> = "imageId",
    }

    /// A page of images.
    Images {
        images: Vec<Image> = "imagesSet",
        next_token: Option<String> = "nextToken",
    }

    /// A product code.
    ProductCode {
        id: Option<String> = "productCode",
    }

    /// An image.
    Image {
        id: Option<String> = "imageId",
        name: Option<String> = "name",
        state: Option<String> = "imageState",
        state_reason: Option<StateReason> = "stateReason",
        owner: Option<String> = "imageOwnerId",
        product_codes: Vec<ProductCode> = "productCodes",
        created: Option<String> = "creationDate",
        description: Option<String> = "description",
        architecture: Option<String> = "architecture",
        virtualization: Option<String> = "virtualizationType",
        boot_mode: Option<String> = "bootMode",
        tpm: Option<String> = "tpmSupport",
        imds: Option<String> = "imdsSupport",
        ena: Option<bool> = "enaSupport",
        sriov: Option<String> = "sriovNetSupport",
        root_device: Option<String> = "rootDeviceName",
        mappings: Vec<Mapping> = "blockDeviceMapping",
        public: Option<bool> = "isPublic",
        deprecation_time: Option<String> = "deprecationTime",
        deregistration_protection: Option<String> = "deregistrationProtection",
        source: Option<String> = "sourceImageId",
        source_region: Option<String> = "sourceImageRegion",
        allowed: Option<bool> = "imageAllowed",
        watermarks: Vec<ImageWatermark> = "imageWatermarkSet",
        tags: Vec<Tag> = "tagSet",
    }

    /// A watermark of an image.
    ImageWatermark {
        key: Option<String> = "watermarkKey",
        source: Option<String> = "sourceImageId",
        source_region: Option<String> = "sourceImageRegion",
    }

    /// The key of a watermark.
    WatermarkKey {
        key: Option<String> = "watermarkKey",
    }

    /// Why an image is in its state.
    StateReason {
        code: Option<String> = "code",
        message: Option<String> = "message",
    }

    /// A block device mapping of an image.
    Mapping {
        device: Option<String> = "deviceName",
        virtual_name: Option<String> = "virtualName",
        ebs: Option<Volume> = "ebs",
    }

    /// The EBS volume of a mapping.
    Volume {
        snapshot: Option<String> = "snapshotId",
        /// GiB.
        size: Option<u64> = "volumeSize",
        kind: Option<String> = "volumeType",
        iops: Option<u64> = "iops",
        /// MiB per second.
        throughput: Option<u64> = "throughput",
        delete_on_termination: Option<bool> = "deleteOnTermination",
        encrypted: Option<bool> = "encrypted",
        key: Option<String> = "kmsKeyId",
    }

    /// The requested attribute.
    ImageAttribute {
        launch: Vec<LaunchPermission> = "launchPermission",
        uefi_data: Option<AttributeValue> = "uefiData",
        last_launched: Option<AttributeValue> = "lastLaunchedTime",
    }

    /// A launch permission: one of the four fields.
    LaunchPermission {
        group: Option<String> = "group",
        account: Option<String> = "userId",
        organization: Option<String> = "organizationArn",
        organizational_unit: Option<String> = "organizationalUnitArn",
    }

    /// An attribute with one value.
    AttributeValue {
        value: Option<String> = "value",
    }
}
