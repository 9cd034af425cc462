//! Another operator, who works on the same account between two calls of a run.

use amiforge_publish::api::ec2::DeviceMapping;

use super::state::State;

/// What the other operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperatorAction {
    /// Launches an instance, if the image can be launched.
    Launch,
    /// Enables a disabled image and launches an instance of it.
    EnableAndLaunch,
    /// Names the image in a launch template, whatever its state.
    NameInTemplate,
    /// Names the image in a parameter, if it can be launched.
    NameInParameter,
    /// Registers another image that uses the same snapshots.
    RegisterOfSameSnapshots,
    /// Protects the image.
    Protect,
    /// Deregisters the newest image of the same name.
    DeregisterNewest,
    /// Deregisters the image itself, and keeps its snapshots.
    Deregister,
}

/// All actions.
pub(crate) const ACTIONS: [OperatorAction; 8] = [
    OperatorAction::Launch,
    OperatorAction::EnableAndLaunch,
    OperatorAction::NameInTemplate,
    OperatorAction::NameInParameter,
    OperatorAction::RegisterOfSameSnapshots,
    OperatorAction::Protect,
    OperatorAction::DeregisterNewest,
    OperatorAction::Deregister,
];

impl OperatorAction {
    /// Does it to an image, as far as the service lets the operator.
    pub(crate) fn apply(self, state: &mut State, image: &str) {
        let Some(current) = state.images.get(image).map(|image| image.state.clone()) else { return };
        match self {
            Self::Launch if current == "available" => launch(state, image),
            Self::EnableAndLaunch if current == "disabled" => {
                state.images.get_mut(image).unwrap().state = "available".to_owned();
                launch(state, image);
            }
            Self::NameInTemplate => state.name(image, "ec2:LaunchTemplate"),
            Self::NameInParameter if current == "available" => state.name(image, "ssm:Parameter"),
            Self::RegisterOfSameSnapshots => {
                let mut copy = state.images[image].clone();
                copy.id = format!("ami-f{:06}", state.calls);
                copy.name = Some(format!("same-{}", state.calls));
                copy.tags.clear();
                copy.state = "available".to_owned();
                copy.mappings.push(DeviceMapping::default());
                state.images.insert(copy.id.clone(), copy);
            }
            Self::Protect => {
                let protection = Some("enabled-without-cooldown".to_owned());
                state.images.get_mut(image).unwrap().deregistration_protection = protection;
            }
            Self::DeregisterNewest => {
                let name = state.images[image].tags.clone();
                let same = state
                    .images
                    .values()
                    .filter(|other| !name.is_empty() && other.tags == name && other.id != image);
                let newest = same.max_by_key(|image| image.created.clone()).map(|image| image.id.clone());
                if let Some(newest) = newest.filter(|newest| !state.is_named(newest)) {
                    state.images.remove(&newest);
                }
            }
            Self::Deregister if !state.is_named(image) => {
                state.images.remove(image);
            }
            Self::Launch | Self::EnableAndLaunch | Self::NameInParameter | Self::Deregister => {}
        }
    }
}

fn launch(state: &mut State, image: &str) {
    state.launched.insert(image.to_owned(), state.now);
    state.name(image, "ec2:Instance");
}
