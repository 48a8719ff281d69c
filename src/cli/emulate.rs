//! `helan emulate`.

use std::process::ExitCode;

use sha2::{Digest as _, Sha256};

use super::{Emulate, logging, output, serve};
use crate::auth::{AccessKey, Authenticator, BearerKey, Keyring};
use crate::clock::Clock;
use crate::config::Log;
use crate::emulator::{Config, Emulator, Rules, SERVICE};
use crate::{Error, Result};

pub(super) async fn run(arguments: Emulate) -> ExitCode {
    logging::start(&Log::default());
    let rules = match rules(&arguments) {
        Ok(rules) => rules,
        Err(problem) => {
            output::error(problem);
            return ExitCode::FAILURE;
        }
    };
    let bound = match signer(&arguments) {
        Ok(authenticator) => {
            let (listen, clock) = (arguments.listen, Clock::system());
            Emulator::bind(Config { listen, authenticator, rules, clock }).await
        }
        Err(error) => Err(error),
    };
    match bound {
        Ok(emulator) => {
            let address = emulator.local_addr();
            output::print(format_args!(
                "SageMaker Runtime emulator is listening on http://{address}"
            ));
            emulator.run(serve::asked_to_end()).await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn rules(arguments: &Emulate) -> Result<Rules, String> {
    if let Some(url) = &arguments.container {
        return Rules::container(url).map_err(|error| error.to_string());
    }
    let Some(file) = &arguments.rules else { return Ok(Rules::builtin()) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the rules {} cannot be read: {error}", file.display()))?;
    Rules::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

fn signer(arguments: &Emulate) -> Result<Authenticator> {
    if arguments.unsigned {
        return Ok(Authenticator::none());
    }
    authenticator(&arguments.access_key, &arguments.secret_key)
}

/// Takes calls that are signed with one key, and those that carry its secret as a bearer key: the
/// containers' own paths.
pub(super) fn authenticator(id: &str, secret: &str) -> Result<Authenticator> {
    let key = AccessKey {
        id: id.to_owned(),
        secret: secret.into(),
        session_token: None,
        principal: "emulator".to_owned(),
    };
    let bearer =
        BearerKey { sha256: hex::encode(Sha256::digest(secret)), principal: "emulator".to_owned() };
    let ring = Keyring::new([key], [bearer]).map_err(|error| Error::internal().because(error))?;
    Ok(Authenticator::new(ring, &[SERVICE]))
}
