//! Signed PCR policies: which values of PCR 11 the owner of a key vouches for, so that a secret which is bound to that key
//! opens on every image that the owner signed.
//!
//! Owns the policies of an image, the requests for their signatures, and the check of what came back. The bytes are those of
//! [`amiforge_formats::pcr`]. A signature is an input of the build: PCR 11 does not depend on it, but the image does, and with it
//! PCR 4 and the signature of Secure Boot. No private key is read here.
//!
//! Follows systemd-measure(1) and systemd-stub(7).

mod check;
mod error;
mod record;
mod requests;

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_formats::pcr::{
    self, Bank, PcrError, PhasePath, PolicyKey, PolicySignature, pcrsig, policy_digest,
};
use amiforge_formats::read_at::ReadAt;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

pub(crate) use check::check as check_bundle;
pub use error::PcrPolicyError;
pub use record::{PcrPolicyRecord, PolicyRecord};

use crate::manifest::ManifestInput;
use crate::secure_boot::{GivenSignature, SigningError};

/// The most paths of phases: each is a request for every bank.
pub const PHASES_MAX: usize = 8;

/// What the ids of requests for policies begin with.
const ID_PREFIX: &str = "pcr11-";

/// The kind of a signature among the inputs of a manifest.
const SIGNATURE_INPUT: &str = "pcr-signature";

/// The policies that an image is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcrPolicy {
    /// Whose signatures count.
    pub key: PolicyKey,
    /// The states of a boot that are signed for, at most [`PHASES_MAX`].
    pub phases: Vec<PhasePath>,
}

/// A policy that is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRequest {
    /// Its id, by which its signature is given back.
    pub id: String,
    /// The bank of the register.
    pub bank: Bank,
    /// The phases that were measured.
    pub phases: PhasePath,
    /// The bytes to be signed: the digest of the policy.
    pub policy: [u8; 32],
}

/// Whether a signature is one of a policy, by its id.
pub fn is_policy_id(id: &str) -> bool {
    id.starts_with(ID_PREFIX)
}

/// The content of `.pcrsig` with another value for every signature: as long as the true one, which the lengths of a disk
/// follow from.
pub fn placeholder(policy: &PcrPolicy) -> String {
    let signature = vec![0; policy.key.signature_len()];
    let all = each(policy).map(|(bank, _, _)| PolicySignature {
        bank,
        policy: [0; 32],
        signature: signature.clone(),
    });
    pcrsig(&policy.key, &all.collect::<Vec<_>>())
}

/// The policies of a unified kernel image. It may have any `.pcrsig`, or none.
///
/// # Errors
/// [`PcrError`] where it is not known what the image measures.
pub fn requests(uki: &dyn ReadAt, policy: &PcrPolicy) -> Result<Vec<PolicyRequest>, PcrError> {
    let sections = pcr::measure(uki, None)?.sections_pcr();
    let request = |(bank, number, phases): (Bank, usize, &PhasePath)| PolicyRequest {
        id: format!("{ID_PREFIX}{}-{}", bank.name(), number + 1),
        bank,
        phases: phases.clone(),
        policy: policy_digest(&phases.extend(sections).value(), bank),
    };
    Ok(each(policy).map(request).collect())
}

/// Every bank with every path of phases and its number, in the order of `.pcrsig`.
fn each(policy: &PcrPolicy) -> impl Iterator<Item = (Bank, usize, &PhasePath)> {
    let phases = move || policy.phases.iter().enumerate();
    Bank::ALL.into_iter().flat_map(move |bank| phases().map(move |(number, phases)| (bank, number, phases)))
}

/// Policies with their signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPolicies {
    /// The content of `.pcrsig`.
    pub section: String,
    /// As a manifest lists the signatures among the inputs.
    pub inputs: Vec<ManifestInput>,
    /// SHA-256 of each signature by the id of its request.
    digests: BTreeMap<String, Digest>,
}

/// Checks the signatures of all policies, one for each.
///
/// # Errors
/// [`SigningError`] where one is missing, unknown or given twice; [`SigningError::Policy`] where the key did not make it.
pub fn sign(
    policy: &PcrPolicy,
    requests: &[PolicyRequest],
    given: &[GivenSignature],
) -> Result<SignedPolicies, SigningError> {
    let ids: Vec<_> = requests.iter().map(|request| request.id.as_str()).collect();
    let ordered = crate::secure_boot::by_request(&ids, given)?;
    let (mut signatures, mut inputs, mut digests) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (request, given) in requests.iter().zip(ordered) {
        if !is_signed(&policy.key, &request.policy, &given.bytes) {
            return Err(SigningError::Policy { id: request.id.clone(), len: given.bytes.len() });
        }
        let sha256 = Digest::of(&given.bytes);
        digests.insert(request.id.clone(), sha256);
        let (kind, name) = (SIGNATURE_INPUT.to_owned(), request.id.clone());
        inputs.push(ManifestInput { kind, name, sha256: Some(sha256) });
        let signature = given.bytes.clone();
        signatures.push(PolicySignature { bank: request.bank, policy: request.policy, signature });
    }
    Ok(SignedPolicies { section: pcrsig(&policy.key, &signatures), inputs, digests })
}

/// Whether the key signed a policy (RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017, section 8.2).
fn is_signed(key: &PolicyKey, policy: &[u8; 32], signature: &[u8]) -> bool {
    let public = RsaPublicKeyComponents { n: &key.rsa.modulus, e: &key.rsa.exponent };
    public.verify(&RSA_PKCS1_2048_8192_SHA256, policy, signature).is_ok()
}

/// The policies of an image, with their signatures once there are some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedPolicies {
    /// Path of the unified kernel image on the EFI system partition.
    pub path: String,
    /// The policies.
    pub policy: PcrPolicy,
    /// What is to be signed.
    pub requests: Vec<PolicyRequest>,
    /// The signatures, all of them or none.
    pub signed: Option<SignedPolicies>,
}

impl PreparedPolicies {
    /// The files of the bundle: the list of requests, and the bytes to be signed.
    pub fn documents(&self) -> Vec<crate::bundle::Document> {
        requests::documents(&self.policy, &self.requests)
    }

    /// What the manifest says.
    pub fn record(&self) -> PcrPolicyRecord {
        let digests = self.signed.as_ref().map(|signed| &signed.digests);
        let policies = self.requests.iter().map(|request| PolicyRecord {
            bank: request.bank.name().to_owned(),
            phases: request.phases.to_string(),
            policy: Digest(request.policy).to_string(),
            signature: digests.and_then(|all| all.get(&request.id)).map(Digest::to_string),
        });
        PcrPolicyRecord {
            key: self.policy.key.fingerprint.to_string(),
            path: self.path.clone(),
            policies: policies.collect(),
        }
    }

    /// The signatures, as a manifest lists them among the inputs.
    pub fn inputs(&self) -> &[ManifestInput] {
        self.signed.as_ref().map_or(&[], |signed| &signed.inputs)
    }
}
