//! The XML form of an instance refresh.

use super::refresh_state;
use crate::services::xml::Xml;
use crate::state::group::{GroupRecord, RefreshRecord, RefreshStatus};

/// Writes a refresh of a group.
pub(super) fn write(xml: &mut Xml, group: &GroupRecord, record: &RefreshRecord) {
    let (percentage, left) = refresh_state::progress(record);
    xml.value("InstanceRefreshId", &record.id);
    xml.value("AutoScalingGroupName", &group.name);
    xml.value("Status", record.status.name());
    xml.optional("StatusReason", record.reason.as_ref());
    if record.status != RefreshStatus::Pending {
        xml.value("StartTime", record.started.iso());
    }
    xml.optional("EndTime", record.ended.map(crate::clock::Timestamp::iso));
    xml.value("PercentageComplete", percentage);
    xml.value("InstancesToUpdate", left);
    record.preferences.write_xml(xml);
    if let Some(desired) = &record.desired {
        xml.element("DesiredConfiguration", |xml| desired.write_xml(xml));
    }
    if let Some(rollback) = &record.rollback {
        xml.element("RollbackDetails", |xml| {
            xml.value("RollbackReason", &rollback.reason);
            xml.value("RollbackStartTime", rollback.started.iso());
            xml.value("PercentageCompleteOnRollback", rollback.percentage);
            xml.value("InstancesToUpdateOnRollback", rollback.left);
        });
    }
    xml.value("Strategy", "Rolling");
}
