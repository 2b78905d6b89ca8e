//! JSON on the command line: the text itself, `@FILE`, or `-` for stdin.

use std::{
    fs,
    io::{self, Read as _},
};

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use crate::exit::Usage;

/// The JSON that `text` is, or says where to find. `option` is how it was given, `what` what it is.
///
/// # Errors
/// It cannot be read, or is no JSON.
pub(crate) fn read(option: &str, what: &str, text: &str) -> anyhow::Result<Value> {
    let (from, text) = match text {
        "-" => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).with_context(|| format!("cannot read the {what} from stdin"))?;
            ("stdin".to_owned(), text)
        }
        file if file.starts_with('@') => {
            let file = &file[1..];
            (file.to_owned(), fs::read_to_string(file).with_context(|| format!("cannot read the {what} from {file}"))?)
        }
        text => (option.to_owned(), text.to_owned()),
    };
    serde_json::from_str(&text).map_err(|error| {
        let hint = if from == option {
            format!("; write e.g. {option} '{{\"customer\": \"ada\"}}', or @FILE, or -")
        } else {
            String::new()
        };
        anyhow!(Usage(format!("{from} is no JSON: {error}{hint}")))
    })
}
