//! The XML form of an image in `DescribeImages`.

use super::tags;
use crate::clock::Timestamp;
use crate::services::xml::Xml;
use crate::state::image::ImageRecord;

impl ImageRecord {
    /// Writes the image as an `item` of `imagesSet`, with some fields only for its owner.
    pub(crate) fn write_xml(&self, xml: &mut Xml, viewer: &str, now: Timestamp) {
        let machine = &self.machine;
        xml.value("imageId", &self.id);
        xml.value("imageLocation", &self.location);
        xml.value("imageState", self.state(now).name());
        xml.value("imageOwnerId", &self.owner);
        xml.value("creationDate", whole_seconds(self.created));
        xml.value("isPublic", self.grants.is_public());
        xml.value("architecture", &machine.architecture);
        xml.value("imageType", "machine");
        xml.optional("kernelId", machine.kernel.as_ref());
        xml.optional("ramdiskId", machine.ramdisk.as_ref());
        xml.value("platformDetails", "Linux/UNIX");
        xml.value("usageOperation", "RunInstances");
        if let Some(why) = self.failure(now) {
            xml.element("stateReason", |xml| {
                xml.value("code", "Client.InternalError");
                xml.value("message", why);
            });
        }
        xml.value("name", &self.name);
        xml.optional("description", self.description.as_ref());
        xml.value("rootDeviceType", "ebs");
        xml.value("rootDeviceName", &machine.root_device);
        xml.items("blockDeviceMapping", &self.mappings, |xml, mapping| mapping.write_xml(xml));
        xml.value("virtualizationType", &machine.virtualization);
        xml.value("hypervisor", "xen");
        xml.optional("enaSupport", machine.ena);
        xml.optional("sriovNetSupport", machine.sriov.as_ref());
        xml.optional("bootMode", machine.boot_mode.as_ref());
        xml.optional("tpmSupport", machine.tpm.as_ref());
        xml.optional("imdsSupport", machine.imds.as_ref());
        self.write_life_xml(xml, viewer, now);
    }

    fn write_life_xml(&self, xml: &mut Xml, viewer: &str, now: Timestamp) {
        xml.optional("deprecationTime", self.deprecated.map(whole_seconds));
        if self.owner == viewer {
            xml.value("deregistrationProtection", self.protection_state(now));
            tags::write_xml(xml, &self.tags);
        }
        if let Some((id, region)) = &self.source {
            xml.value("sourceImageId", id);
            xml.value("sourceImageRegion", region);
        }
        self.write_watermarks_xml(xml);
        xml.value("freeTierEligible", true);
    }
}

impl ImageRecord {
    /// Writes the watermarks, which everybody sees who sees the image.
    pub(crate) fn write_watermarks_xml(&self, xml: &mut Xml) {
        if self.watermarks.is_empty() {
            return;
        }
        xml.items("imageWatermarkSet", &self.watermarks, |xml, watermark| {
            xml.value("watermarkKey", &watermark.key);
            xml.value("sourceImageRegion", &watermark.source.1);
            xml.value("sourceImageId", &watermark.source.0);
            xml.value("sourceImageCreationTime", whole_seconds(watermark.source_created));
            xml.value("watermarkCreationTime", whole_seconds(watermark.created));
        });
    }
}

/// A time in the format of images: in whole seconds.
pub(crate) fn whole_seconds(moment: Timestamp) -> String {
    Timestamp(moment.0 / 1000 * 1000).iso()
}
