//! Each kind of problem, as it is shown: `<case>.toml`, `<case>.keys.toml` and `<case>.env` go in,
//! `<case>.txt` comes out.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use helan::config::{Report, Severity, load};
use proptest::prelude::*;

use super::{environment, file, owned};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/problems")
}

/// A file that only its owner can read, as a key file should be.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn rendered(case: &str) -> io::Result<String> {
    let directory = tempfile::tempdir()?;
    let read = |suffix: &str| fs::read_to_string(cases().join(format!("{case}{suffix}"))).ok();
    let toml = directory.path().join("helan.toml");
    let toml = match read(".toml") {
        Some(text) => {
            fs::write(&toml, text)?;
            Some(toml)
        }
        None => None,
    };
    if let Some(keys) = read(".keys.toml") {
        write_private(&directory.path().join("keys.toml"), &keys)?;
    }
    let env = read(".env").unwrap_or_default();
    let env = env.lines().filter_map(|line| line.split_once('='));
    let problems = match load(toml.as_deref(), owned(&env.collect::<Vec<_>>())) {
        Ok(config) => {
            assert!(config.warnings.iter().all(|problem| problem.severity == Severity::Warning));
            config.warnings
        }
        Err(problems) => {
            assert!(problems.iter().any(|problem| problem.severity == Severity::Error));
            problems
        }
    };
    let place = format!("{}/", directory.path().display());
    Ok(format!("{}\n", Report(&problems)).replace(&place, ""))
}

#[test]
fn every_kind_of_problem_is_said_as_written_here() {
    let names: BTreeSet<String> = fs::read_dir(cases())
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.split_once('.').map(|(case, _)| case.to_owned())
        })
        .filter(|case| case != "counting" || cfg!(feature = "tokenizer"))
        .collect();
    assert!(names.len() >= 17, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let expected = fs::read_to_string(cases().join(format!("{name}.txt"))).unwrap();
        let found = rendered(&name).unwrap();
        if found != expected {
            wrong.push(format!("=== {name}: expected\n{expected}=== found\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_problem_can_be_taken_apart() {
    let problems = file("auth.mode = 'none'\n[models.'a.b']\nendpoint = 5").unwrap_err();
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.path, "models.\"a.b\".endpoint");
    assert_eq!((problem.line(), problem.column()), (Some(3), Some(12)));
    assert_eq!(problem.file.as_deref(), Some(Path::new("helan.toml")));
    assert_eq!(problem.message, "expected a string, found an integer");
    assert_eq!(problem.help.as_deref(), Some("write it between quotes"));
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    for text in [
        "secret = 'hunter2'",
        "[[access_key]]\nsecret = 'hunter2'",
        "auth = { mode = 'none', secret = 'hunter2' }",
        "password = hunter2",
        "[models.m]\nendpoint = 'ep'\nendpoint_url = 'http://me:hunter2@host'",
        "sagemaker.endpoint_url = 'ftp://me:hunter2@host'",
    ] {
        let shown = Report(&file(text).unwrap_err()).to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for env in [
        ("HELAN_SECRET_ACCESS_KEY", "hunter2"),
        ("HELAN_SECRET_ACCES_KEY", "hunter2"),
        ("AWS_ENDPOINT_URL", "http://me:hunter2@127.0.0.1:8080"),
    ] {
        let problems = environment(&[env]).unwrap_err();
        assert!(!Report(&problems).to_string().contains("hunter2"), "{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn a_missing_file_is_said_with_who_named_it() {
    let problems = load(Some("nowhere/helan.toml".as_ref()), []).unwrap_err();
    assert_eq!(
        problems[0].message,
        "the configuration file nowhere/helan.toml cannot be read: No such file or directory (os \
         error 2)"
    );
    let problems = environment(&[("HELAN_CONFIG", "nowhere.toml")]).unwrap_err();
    assert_eq!(problems[0].path, "HELAN_CONFIG");
}

#[cfg(unix)]
#[test]
fn a_key_file_that_everyone_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let (config, keys) = (directory.path().join("helan.toml"), directory.path().join("k.toml"));
    fs::write(&config, "models.m.endpoint = 'ep'\nauth.keys_file = 'k.toml'").unwrap();
    write_private(&keys, "[[access_key]]\nid = 'A'\nsecret = 'hunter2'\nprincipal = 'p'").unwrap();
    assert!(load(Some(&config), []).unwrap().warnings.is_empty());
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).unwrap();
    let config = load(Some(&config), []).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(
        config.warnings[0].message,
        "every user of this machine can read or change the key file"
    );
    assert_eq!(config.auth.keys.access_keys[0].id, "A");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "([a-z.\\[\\]=\"'{},0-9 \n#\\\\-]|\\PC|\r\n){0,200}") {
        if let Err(problems) = file(&text) {
            prop_assert!(!Report(&problems).to_string().is_empty());
        }
    }

    #[test]
    fn no_value_makes_the_reader_panic(
        key in "listen|auth.mode|limits.max_body|drain.grace|sagemaker.endpoint_url|models|\
                models.m|models.m.endpoint|models.m.aliases|endpoints.allow|admin.listen|\
                defaults.tokens_per_second",
        value in "-?[0-9]{1,20}(\\.[0-9]{1,20})?|\"\\PC{0,30}\"|\\[\"[a-z*]{0,4}\", 1\\]|\\{ a = 1 \\}|true|nan|-inf|0x[0-9a-f]{1,20}|1979-05-27"
    ) {
        let _ = file(&format!("{key} = {value}")).map_err(|problems| Report(&problems).to_string());
    }
}
