//! The schemas of native bodies.

use std::path::Path;

use helan::family::schema::Schema;

#[test]
fn every_schema_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/family");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if let Err(error) = Schema::new(&text) {
            panic!("{}: {error}", path.display());
        }
        count += 1;
    }
    assert!(count > 0, "no schema was found");
}
