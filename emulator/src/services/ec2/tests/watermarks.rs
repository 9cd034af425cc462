//! Watermarks: their rules, and which images carry them on.

use super::*;

/// The keys of the watermarks that an account sees on an image.
fn keys(test_region: &TestRegion, account: &str, region: &str, id: &str) -> Vec<String> {
    let text =
        test_region.request_as(account, region, &format!("Action=DescribeImages&ImageId.1={id}")).unwrap();
    let parts = text.split("<watermarkKey>").skip(1);
    parts.map(|part| part.split('<').next().unwrap().to_owned()).collect()
}

#[test]
fn a_watermark_stays_on_copies_and_everybody_sees_it_who_sees_the_image() {
    let test_region = TestRegion::new(Windows::default());
    let image = test_region.image("web");
    let attach = format!("Action=AttachImageWatermark&ImageId={image}&WatermarkName=team");
    let answer = test_region.request(&attach).unwrap();
    assert!(answer.contains(&format!("<watermarkKey>{ACCOUNT}:team</watermarkKey>")), "{answer}");
    test_region.request(&attach).unwrap();
    assert_eq!(keys(&test_region, ACCOUNT, "local", &image), [format!("{ACCOUNT}:team")]);
    let copy = format!("Action=CopyImage&Name=copy&SourceImageId={image}&SourceRegion=local");
    let copied = test_region.request_as(ACCOUNT, "local-2", &copy).unwrap();
    let copied = copied.split("<imageId>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(keys(&test_region, ACCOUNT, "local-2", &copied), [format!("{ACCOUNT}:team")]);
    let detach = format!("Action=DetachImageWatermark&ImageId={image}&WatermarkKey={ACCOUNT}:team");
    test_region.request(&detach).unwrap();
    test_region.request(&detach).unwrap();
    assert_eq!(keys(&test_region, ACCOUNT, "local", &image), [""; 0]);
    assert_eq!(keys(&test_region, ACCOUNT, "local-2", &copied).len(), 1);
    test_region.request(&attach).unwrap();
    let share = "LaunchPermission.Add.1";
    let shared = format!("Action=ModifyImageAttribute&ImageId={image}&{share}.UserId={OTHER}");
    test_region.request(&shared).unwrap();
    assert_eq!(keys(&test_region, OTHER, "local", &image), [format!("{ACCOUNT}:team")]);
    let filter = "Filter.1.Name=image-watermark.watermark-key&Filter.1.Value.1";
    let listed = |key: &str| test_region.request(&format!("Action=DescribeImages&{filter}={key}")).unwrap();
    assert!(listed(&format!("{ACCOUNT}:te*")).contains(&image) && !listed("*:other").contains(&image));
}

#[test]
fn names_the_number_and_the_audience_are_limited() {
    let test_region = TestRegion::new(Windows::default());
    let image = test_region.image("web");
    let attach = |name: &str| format!("Action=AttachImageWatermark&ImageId={image}&WatermarkName={name}");
    for name in ["ab", "a:b", "a%0Ab", &"x".repeat(129)] {
        assert_eq!(test_region.code(&attach(name)), "InvalidParameterValue", "{name}");
    }
    let public = format!("Action=ModifyImageAttribute&ImageId={image}&LaunchPermission.Add.1.Group=all");
    test_region.request(&public).unwrap();
    assert_eq!(test_region.code(&attach("team")), "OperationNotPermitted");
    test_region.request(&public.replace(".Add.", ".Remove.")).unwrap();
    for number in 0..5 {
        test_region.request(&attach(&format!("team{number}"))).unwrap();
    }
    assert_eq!(test_region.code(&attach("team5")), "ResourceLimitExceeded");
    assert_eq!(test_region.code(&public), "OperationNotPermitted");
    let detach = format!("Action=DetachImageWatermark&ImageId={image}&WatermarkKey=");
    assert_eq!(test_region.code(&format!("{detach}team")), "InvalidParameterValue");
    let other = test_region.request_as(OTHER, "local", &attach("team"));
    assert_eq!(other.unwrap_err().code, "InvalidAMIID.NotFound");
}
