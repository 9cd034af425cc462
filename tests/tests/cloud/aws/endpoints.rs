//! The endpoint of every region of every partition, as botocore resolves it.

use amiforge_aws::endpoint::{EndpointVariant, for_region};
use amiforge_tests::python;

#[test]
fn every_region_has_the_endpoint_that_botocore_gives_it() {
    let Some(python) = python::with(&["botocore"]) else { return };
    let lines = python::must::<&str>(&python, "endpoints.py", &[]);
    let mut count = 0;
    for line in lines.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [service, region, fips, dual_stack, url] = words[..] else { panic!("{line}") };
        let variant = EndpointVariant { fips: fips == "true", dual_stack: dual_stack == "true" };
        let own = for_region(service, region, variant);
        assert_eq!(own.as_deref().unwrap_or("none"), url, "{line}");
        count += 1;
    }
    assert!(count > 200, "{count}");
}
