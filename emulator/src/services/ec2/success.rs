//! The answer of operations that only report success.

use crate::services::xml::Xml;

/// The response of operations that only report success.
pub(crate) fn return_true() -> Xml {
    let mut xml = Xml::new();
    xml.value("return", true);
    xml
}
