//! Forms of measurements.

use amiforge_formats::pcr::Pcr;

use super::*;

fn measurements() -> Measurements {
    let registers = |secure_boot: bool| {
        let value = |pcr: u8| BankDigests::of(&[pcr, u8::from(secure_boot)]);
        pcr::PREDICTED.into_iter().map(|pcr| (pcr, value(pcr))).collect()
    };
    Measurements {
        stub: "252.39-1~deb12u2".to_owned(),
        secure_boot_off: registers(false),
        secure_boot_on: Some(registers(true)),
    }
}

#[test]
fn the_json_is_sorted_and_read_back() {
    let json = MeasurementsJson::from(&measurements());
    let text = serde_json::to_string(&json).unwrap();
    let sorted: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&sorted).unwrap(), text, "keys are sorted");
    let back = serde_json::from_str::<MeasurementsJson>(&text).unwrap().into_measurements().unwrap();
    assert_eq!(back, measurements());
    assert_eq!(back.intended().0, back.registers(true).unwrap());
}

#[test]
fn json_with_other_values_is_refused() {
    let text = serde_json::to_value(MeasurementsJson::from(&measurements())).unwrap();
    let refused = |at: &[&str], value: serde_json::Value| {
        let mut text = text.clone();
        let last = at.iter().fold(&mut text, |inside, key| &mut inside[*key]);
        *last = value;
        let json: MeasurementsJson = serde_json::from_value(text).unwrap();
        json.into_measurements().unwrap_err()
    };
    for value in ["", "zz", &"A".repeat(64), &"a".repeat(63)] {
        let error = refused(&["secure_boot_off", "sha256", "4"], value.into());
        assert_eq!(error.key, "measurements.secure_boot_off.sha256.4");
    }
    assert_eq!(refused(&["secure_boot_on", "sha384", "9"], "a".into()).value, "9");
    assert_eq!(refused(&["secure_boot_on", "sha384"], serde_json::json!({})).value, "");
    assert!(refused(&["stub"], "\u{1b}[2J".into()).value.starts_with("\\x1b"));
}

#[test]
fn aws_reads_the_form_of_its_own_calculator() {
    let registers: Registers = [4, 7, 12, 13].map(|pcr| (pcr, Pcr::ZERO.value())).into();
    let zeros = "0".repeat(96);
    // As nitro-tpm-pcr-compute 1.1.2 prints it.
    let expected = format!(
        "{{\n  \"Measurements\": {{\n    \"HashAlgorithm\": \"SHA384\",\n    \"PCR4\": \"{zeros}\",\n    \
         \"PCR7\": \"{zeros}\",\n    \"PCR12\": \"{zeros}\"\n  }}\n}}\n"
    );
    assert_eq!(aws_json(&registers, &AWS_PCRS), expected);
}

#[test]
fn a_key_policy_names_what_an_operator_could_change() {
    let role = Principal::role("service/web", Some("111122223333")).unwrap();
    let measurements = measurements();
    let (registers, on) = measurements.intended();
    let statement = KmsStatement::new(&role, registers, policy_pcrs(on));
    let json: serde_json::Value = serde_json::from_str(&statement.text()).unwrap();
    assert_eq!(json["Principal"]["AWS"], "arn:aws:iam::111122223333:role/service/web");
    let values = json["Condition"]["StringEqualsIgnoreCase"].as_object().unwrap();
    let names: Vec<_> = values.keys().map(|key| key.rsplit("PCR").next().unwrap()).collect();
    assert_eq!(names, ["12", "13", "2", "3", "4", "7"]);
    assert_eq!(
        values["kms:RecipientAttestation:NitroTPMPCR4"],
        registers[&4].hex(pcr::Bank::Sha384).as_str()
    );
    assert!(!policy_pcrs(false).contains(&7));
}

#[test]
fn a_role_is_a_name_in_an_account_or_an_arn() {
    let arn = "arn:aws-us-gov:iam::111122223333:role/a/b";
    assert!(Principal::role(arn, None).is_ok());
    assert!(matches!(Principal::role(arn, Some("111122223333")), Err(NotAPrincipal::TwoAccounts)));
    assert!(matches!(Principal::role("web", None), Err(NotAPrincipal::NoAccount(_))));
    for account in ["1111", "11112222333x", "*"] {
        assert!(matches!(Principal::role("web", Some(account)), Err(NotAPrincipal::Account(_))));
    }
    for role in
        ["", "*", "a//b", "a b", "/a", "arn:aws:iam::1:role/x", "arn:aws:iam::111122223333:user/x", "arn:"]
    {
        assert!(matches!(Principal::role(role, Some("111122223333")), Err(NotAPrincipal::Role(_))), "{role}");
    }
}
