//! `ImportSnapshot`: begins a task that makes a snapshot of an object of S3.
//!
//! VM Import/Export User Guide, "Importing a disk as a snapshot" and "Required permissions": the service reads the object
//! as the role `vmimport`, which it assumes with the external id `vmimport`.

use std::sync::Arc;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::import_task;
use super::params::Params;
use super::settings;
use super::tags;
use crate::ids;
use crate::services::xml::Xml;
use crate::state::account_settings::default_ebs_key_arn;
use crate::state::import_task::ImportTask;
use crate::state::objects::StoredObject;
use crate::state::partition::partition;

/// The service that assumes the role, and the external id with which it does.
const SERVICE: (&str, &str) = ("vmie.amazonaws.com", "vmimport");
/// The default role.
const ROLE: &str = "vmimport";
const FORMATS: [&str; 3] = ["RAW", "VHD", "VMDK"];
/// The maximum number of characters in a client token, as for other operations of EC2; not documented for this one.
const MAX_TOKEN: usize = 128;
/// What the role needs on every resource.
const ROLE_ACTIONS: [&str; 4] =
    ["ec2:ModifySnapshotAttribute", "ec2:CopySnapshot", "ec2:RegisterImage", "ec2:DescribeSnapshots"];
/// What the role needs on a key that is not the one that AWS provides.
const KEY_ACTIONS: [&str; 6] = [
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
];

/// The disk of a request.
struct Disk<'q> {
    format: &'static str,
    bucket: &'q str,
    key: &'q str,
}

/// `ImportSnapshot`.
pub(crate) fn import(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let disk = read_disk(&params)?;
    let description = params.non_empty("Description").map(str::to_owned);
    if let Some(client) = params.structure("ClientData") {
        // Accepted and not kept, as nothing reports them.
        for name in ["Comment", "UploadEnd", "UploadSize", "UploadStart"] {
            client.text(name);
        }
    }
    let specifications = tags::read_specifications(&params, &["import-snapshot-task"])?;
    let kms_key = read_encryption(call, &params)?;
    let role = params.non_empty("RoleName").unwrap_or(ROLE);
    let fingerprint = fingerprint(&disk, role, description.as_deref(), kms_key.as_deref());
    if let Some(task) = repeated(call, &params, &fingerprint)? {
        call.commit()?;
        return Ok(response(call, &task));
    }
    // A dry run of AWS checks neither the object nor the role (aws/aws-cli#8873).
    call.commit()?;
    let object = object(call, &disk)?;
    check_role(call, role, &disk, kms_key.as_deref())?;
    let task = ImportTask {
        id: ids::fresh("import-snap"),
        owner: call.account.to_owned(),
        description,
        token: params.non_empty("ClientToken").map(|token| (token.to_owned(), fingerprint)),
        bucket: disk.bucket.to_owned(),
        key: disk.key.to_owned(),
        format: disk.format.to_owned(),
        size: object.size,
        kms_key,
        tags: tags::of_kind(&specifications, "import-snapshot-task"),
        begun: call.now,
        done: call.now.after(call.state.config.windows.task),
        end: None,
        failure: failure(call, &disk),
    };
    let _guard = call.lock_region();
    call.region.import_tasks.put(&task.id, task.clone())?;
    Ok(response(call, &task))
}

/// Why the task will fail. The local region reads no other format than `RAW`; the message is the one of AWS for a disk
/// that is not in the format of the request (osbuild/osbuild-composer#706).
fn failure(call: &Ec2Call<'_>, disk: &Disk<'_>) -> Option<String> {
    if call.fail_async {
        return Some("ServerError: the import failed on purpose".to_owned());
    }
    let unsupported = "ClientError: Disk validation failed [Unsupported specified file format]";
    (disk.format != "RAW").then(|| unsupported.to_owned())
}

fn response(call: &Ec2Call<'_>, task: &ImportTask) -> Xml {
    let mut xml = Xml::new();
    import_task::write(&mut xml, task, call.now);
    xml
}

fn read_disk<'q>(params: &Params<'q>) -> Result<Disk<'q>, Ec2Error> {
    let container = params.structure("DiskContainer").ok_or_else(|| Ec2Error::missing("DiskContainer"))?;
    container.text("Description");
    let format = container.one_of("Format", &FORMATS)?;
    let format = format.ok_or_else(|| Ec2Error::missing("DiskContainer.Format"))?;
    let named = container.structure("UserBucket");
    let (bucket, key) = match (named, container.non_empty("Url")) {
        (Some(bucket), None) => (bucket.required("S3Bucket")?, bucket.required("S3Key")?),
        (None, Some(url)) => {
            let rest = url.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
            rest.ok_or_else(|| Ec2Error::value("DiskContainer.Url", url, "Expected s3://bucket/key."))?
        }
        _ => return Err(Ec2Error::missing("DiskContainer.UserBucket")),
    };
    Ok(Disk { format, bucket, key })
}

/// The key of the snapshot. AWS looks a key up only when the task runs; here one that is not there is refused at once.
fn read_encryption(call: &Ec2Call<'_>, params: &Params<'_>) -> Result<Option<String>, Ec2Error> {
    match (params.boolean("Encrypted")?, params.non_empty("KmsKeyId")) {
        (Some(true), Some(key)) => settings::key_arn(call, key).map(Some),
        (_, Some(_)) => {
            let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
            Err(Ec2Error::new("InvalidParameterDependency", message))
        }
        (Some(true), None) => Ok(Some(settings::default_key_arn(call))),
        (_, None) => {
            Ok(settings::encryption(call).encrypt_by_default.then(|| settings::default_key_arn(call)))
        }
    }
}

/// The parameters in a canonical form that is the same for equal requests.
fn fingerprint(disk: &Disk<'_>, role: &str, description: Option<&str>, key: Option<&str>) -> String {
    format!("{} {}/{} {role} {description:?} {key:?}", disk.format, disk.bucket, disk.key)
}

/// The task that an equal request with the same client token began.
fn repeated(
    call: &Ec2Call<'_>,
    params: &Params<'_>,
    fingerprint: &str,
) -> Result<Option<Arc<ImportTask>>, Ec2Error> {
    let Some(token) = params.non_empty("ClientToken") else { return Ok(None) };
    if token.len() > MAX_TOKEN {
        return Err(Ec2Error::value("clientToken", token, "It may have at most 128 characters."));
    }
    let all = call.region.import_tasks.all().into_iter().map(|(_, task)| task);
    let known = all.filter(|task| task.owner == call.account);
    let mut with_token = known.filter_map(|task| Some((task.token.clone()?, task)));
    match with_token.find(|((other, _), _)| other == token) {
        None => Ok(None),
        Some(((_, before), task)) if before == fingerprint => Ok(Some(task)),
        Some(_) => {
            let message = "The request uses the same client token as a previous, but non-identical request.";
            Err(Ec2Error::new("IdempotentParameterMismatch", message))
        }
    }
}

/// The object. The message for a bucket of another region is the one of AWS
/// (confidential-containers/cloud-api-adaptor#587); that for a missing object is worded here.
fn object(call: &Ec2Call<'_>, disk: &Disk<'_>) -> Result<Arc<StoredObject>, Ec2Error> {
    let invalid = |message: String| Ec2Error::new("InvalidParameter", message);
    let region = &call.region.name;
    match call.state.find_bucket(disk.bucket)? {
        Some((other, _)) if other != *region => {
            return Err(invalid(format!(
                "The given S3 object is not local to the region. The object must be located in {region}."
            )));
        }
        Some(_) => {}
        None => return Err(invalid("The given S3 bucket does not exist".to_owned())),
    }
    let object = call.region.object_store.object(disk.bucket, disk.key, call.now);
    object.ok_or_else(|| invalid("The given S3 object does not exist".to_owned()))
}

/// Code and message are those of AWS (aws/aws-cli#8873).
fn check_role(call: &Ec2Call<'_>, role: &str, disk: &Disk<'_>, key: Option<&str>) -> Result<(), Ec2Error> {
    let partition = partition(&call.region.name);
    let bucket = format!("arn:{partition}:s3:::{}", disk.bucket);
    let mut needs = vec![
        ("s3:GetObject", format!("{bucket}/{}", disk.key)),
        ("s3:GetBucketLocation", bucket.clone()),
        ("s3:ListBucket", bucket),
    ];
    needs.extend(ROLE_ACTIONS.iter().map(|action| (*action, "*".to_owned())));
    if let Some(key) = key.filter(|key| **key != default_ebs_key_arn(&call.region.name, call.account)) {
        needs.extend(KEY_ACTIONS.iter().map(|action| (*action, key.to_owned())));
    }
    if call.state.roles.allows((call.account, role), SERVICE, &needs) {
        return Ok(());
    }
    let message =
        format!("The service role {role} provided does not exist or does not have sufficient permissions");
    Err(Ec2Error::new("InvalidParameter", message))
}
