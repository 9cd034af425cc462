//! Instance types: what their names say about architecture and boot modes, and `DescribeInstanceTypes`.
//!
//! Follows the naming conventions of the EC2 User Guide ("Amazon EC2 instance type naming conventions") and its
//! lists of Nitro and Xen types; the names themselves are not checked against a list, because AWS adds types.

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::pagination::{PageLimits, PageRequest};
use crate::services::xml::Xml;

const LIMITS: PageLimits = PageLimits { min: 5, max: 100, default: Some(100) };

/// The types that are listed if the request names none: one size of some families.
const LISTED: [&str; 16] = [
    "c4.large",
    "c5.large",
    "c6g.large",
    "c7g.large",
    "c7i.large",
    "i4g.large",
    "m4.large",
    "m5.large",
    "m6g.large",
    "m7g.large",
    "m7i.large",
    "r7g.large",
    "t2.micro",
    "t3.micro",
    "t3a.micro",
    "t4g.micro",
];

/// The families of the Xen hypervisor.
const XEN: [&str; 29] = [
    "c1", "c3", "c4", "cc1", "cc2", "cg1", "cr1", "d2", "f1", "g2", "g3", "g3s", "h1", "hi1", "hs1", "i2",
    "i3", "m1", "m2", "m3", "m4", "p2", "p3", "r3", "r4", "t1", "t2", "x1", "x1e",
];

/// The filters of the documentation that the local region supports.
const FILTERS: [&str; 8] = [
    "bare-metal",
    "current-generation",
    "hypervisor",
    "instance-type",
    "processor-info.supported-architecture",
    "supported-boot-mode",
    "supported-root-device-type",
    "supported-virtualization-type",
];

/// An instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceType {
    /// `t3.micro`, ...
    pub(crate) name: String,
    /// `x86_64` or `arm64`.
    pub(crate) architecture: &'static str,
    /// The boot modes that it supports.
    pub(crate) boot_modes: &'static [&'static str],
    /// Whether it is of the Xen hypervisor.
    pub(crate) xen: bool,
}

impl InstanceType {
    /// The type with a name; `None` if the name does not have the form of one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (family, size) = name.split_once('.')?;
        if !is_size(size) {
            return None;
        }
        let digits = family.find(|one: char| one.is_ascii_digit())?;
        let (series, rest) = family.split_at(digits);
        let attributes = rest.trim_start_matches(|one: char| one.is_ascii_digit());
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
        if series.is_empty() || !plain(series) || !plain(attributes) {
            return None;
        }
        // The letter `g` after the generation stands for AWS Graviton; the first generation was `a1`.
        let arm = family == "a1" || attributes.contains('g');
        let metal = size.starts_with("metal");
        let xen = XEN.contains(&family) && !metal;
        let boot_modes: &[&str] = match (arm, xen) {
            (true, _) => &["uefi"],
            (false, true) => &["legacy-bios"],
            (false, false) => &["legacy-bios", "uefi"],
        };
        Some(Self {
            name: name.to_owned(),
            architecture: if arm { "arm64" } else { "x86_64" },
            boot_modes,
            xen,
        })
    }

    /// The type with a name, which has to be valid.
    pub(crate) fn required(name: &str) -> Result<Self, Ec2Error> {
        Self::named(name).ok_or_else(|| {
            Ec2Error::new("InvalidParameterValue", format!("Invalid value '{name}' for InstanceType."))
        })
    }
}

fn is_size(size: &str) -> bool {
    let numbered =
        size.strip_suffix("xlarge").is_some_and(|count| count.bytes().all(|byte| byte.is_ascii_digit()));
    let metal = size.strip_prefix("metal").is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('-').is_some_and(|rest| rest.ends_with("xl"))
    });
    matches!(size, "nano" | "micro" | "small" | "medium" | "large") || numbered || metal
}

/// `DescribeInstanceTypes`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let names = params.text_list("InstanceType");
    params.boolean("IncludeUnsupportedInRegion")?;
    let filters = filter::read(&params, |name| FILTERS.contains(&name))?;
    if !names.is_empty() && PageRequest::is_sized(&params) {
        let message = "The parameter instanceTypes cannot be used with the parameter maxResults";
        return Err(Ec2Error::combination(message));
    }
    if names.len() > 100 {
        let message = "At most 100 instance types may be named in one call";
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    let page = PageRequest::read(&params, LIMITS)?;
    let wrong: Vec<_> = names.iter().filter(|name| InstanceType::named(name).is_none()).copied().collect();
    if !wrong.is_empty() {
        let message = format!("The following supplied instance types do not exist: [{}]", wrong.join(", "));
        return Err(Ec2Error::new("InvalidInstanceType", message));
    }
    call.commit()?;
    let names = if names.is_empty() { LISTED.to_vec() } else { names };
    let mut types: Vec<_> = names.into_iter().filter_map(InstanceType::named).collect();
    types.sort_by(|a, b| a.name.cmp(&b.name));
    types.dedup();
    types.retain(|kind| filter::all_match(&filters, |name| field(kind, name)));
    let (page_types, next) = page.paginate(types, |kind| &kind.name);
    let mut xml = Xml::new();
    xml.items("instanceTypeSet", page_types, |xml, kind| write_xml(xml, &kind));
    xml.optional("nextToken", next);
    Ok(xml)
}

fn field(kind: &InstanceType, name: &str) -> FieldValue {
    match name {
        "bare-metal" => FieldValue::one(is_metal(kind)),
        "current-generation" => FieldValue::one(!kind.xen),
        "hypervisor" => FieldValue::maybe(hypervisor(kind)),
        "processor-info.supported-architecture" => FieldValue::one(kind.architecture),
        "supported-boot-mode" => FieldValue::many(kind.boot_modes),
        "supported-root-device-type" => FieldValue::one("ebs"),
        "supported-virtualization-type" => FieldValue::one("hvm"),
        _ => FieldValue::one(&kind.name),
    }
}

fn is_metal(kind: &InstanceType) -> bool {
    kind.name.contains(".metal")
}

/// Bare metal has none.
fn hypervisor(kind: &InstanceType) -> Option<&'static str> {
    (!is_metal(kind)).then_some(if kind.xen { "xen" } else { "nitro" })
}

fn write_xml(xml: &mut Xml, kind: &InstanceType) {
    xml.value("instanceType", &kind.name);
    xml.value("currentGeneration", !kind.xen);
    xml.items("supportedRootDeviceTypes", ["ebs"], Xml::text);
    xml.items("supportedVirtualizationTypes", ["hvm"], Xml::text);
    xml.value("bareMetal", is_metal(kind));
    xml.optional("hypervisor", hypervisor(kind));
    xml.element("processorInfo", |xml| {
        xml.items("supportedArchitectures", [kind.architecture], Xml::text);
    });
    xml.items("supportedBootModes", kind.boot_modes, |xml, value| xml.text(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_architecture_and_boot_modes() {
        for (name, architecture, boot_modes) in [
            ("a1.medium", "arm64", &["uefi"][..]),
            ("t4g.nano", "arm64", &["uefi"]),
            ("c7gn.16xlarge", "arm64", &["uefi"]),
            ("im4gn.large", "arm64", &["uefi"]),
            ("m7g.metal", "arm64", &["uefi"]),
            ("g4dn.xlarge", "x86_64", &["legacy-bios", "uefi"]),
            ("m5.metal", "x86_64", &["legacy-bios", "uefi"]),
            ("m7i.metal-24xl", "x86_64", &["legacy-bios", "uefi"]),
            ("t2.micro", "x86_64", &["legacy-bios"]),
            ("i3.metal", "x86_64", &["legacy-bios", "uefi"]),
        ] {
            let kind = InstanceType::named(name).unwrap();
            assert_eq!((kind.architecture, kind.boot_modes), (architecture, boot_modes), "{name}");
        }
        for name in ["", "t3", "t3.", "t3.big", "3.large", "T3.micro", "t3.micro.x", "t.micro", "t3.metalx"] {
            assert_eq!(InstanceType::named(name), None, "{name}");
        }
    }
}
