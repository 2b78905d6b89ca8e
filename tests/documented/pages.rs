//! The pages of this repository and the blocks of code in them.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// A block of code, and what stands above it.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) page: String,
    /// Of its fence.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
    /// The texts of `<!-- example: … -->` right above its fence, which no reader sees: each is a run of it.
    pub(crate) runs: Vec<String>,
}

impl Block {
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

/// Every block of every page that is for users.
pub(crate) fn blocks() -> Result<Vec<Block>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = Vec::new();
    for folder in ["", "docs", "sagas"] {
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    let mut blocks = Vec::new();
    for path in pages {
        let name = path.strip_prefix(&root)?.display().to_string();
        blocks.extend(blocks_of(&name, &fs::read_to_string(&path).with_context(|| name.clone())?));
    }
    Ok(blocks)
}

/// The blocks of one page.
pub(crate) fn blocks_of(page: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut runs = Vec::new();
    let mut open = false;
    for (line, number) in text.lines().zip(1..) {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                let (language, runs) = (language.trim().to_owned(), std::mem::take(&mut runs));
                blocks.push(Block { page: page.to_owned(), line: number, language, text: String::new(), runs });
                open = true;
            }
            None if open => {
                let block = blocks.last_mut().expect("a block is open");
                block.text += line;
                block.text.push('\n');
            }
            None => match line.strip_prefix("<!-- example: ").and_then(|rest| rest.strip_suffix(" -->")) {
                Some(run) => runs.push(run.to_owned()),
                None => runs.clear(),
            },
        }
    }
    blocks
}
