//! What is not plain text, but can be read as text: documents, search results, citations.
//!
//! Each is set between tags that carry its name, so that the model can tell it from the words
//! around it:
//!
//! ```text
//! <document name="prices" format="csv">
//! <context>Prices of 2026</context>
//! a,b
//! </document>
//! ```

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::converse::{
    CitationText, CitationsContentBlock, DocumentBlock, DocumentContentBlock, DocumentFormat,
    DocumentSource, SearchResultBlock,
};
use crate::{Error, Result};

/// Bedrock's words for an S3 location where the model takes none.
pub(crate) const S3_LOCATION: &str =
    "This model doesn't support the s3Uri field. Remove s3Uri and try again.";

/// Bedrock's words for a kind of content block that the model does not take.
pub(crate) fn unsupported(block: &str) -> Error {
    Error::validation(format!(
        "This model doesn't support the {block} content block that you provided. Update the \
         content block and try again."
    ))
}

/// The document as text; `path` names it in a refusal.
pub(crate) fn document(document: &DocumentBlock, path: &str) -> Result<String> {
    let format = document.format.map(text_format).transpose()?;
    let content: Cow<'_, str> = match &document.source {
        DocumentSource::Bytes(blob) => utf8(blob.decode(), path)?.into(),
        DocumentSource::S3Location(_) => return Err(Error::validation(S3_LOCATION)),
        DocumentSource::Text(text) => text.as_str().into(),
        DocumentSource::Content(blocks) => {
            let texts: Vec<_> = blocks
                .iter()
                .map(|block| match block {
                    DocumentContentBlock::Text(text) => text.as_str(),
                })
                .collect();
            texts.join("\n").into()
        }
    };
    let mut out = String::with_capacity(content.len() + 64);
    out.push_str("<document");
    attribute(&mut out, "name", &document.name);
    if let Some(format) = format {
        attribute(&mut out, "format", format);
    }
    out.push_str(">\n");
    if let Some(context) = &document.context {
        out.push_str("<context>");
        out.push_str(context);
        out.push_str("</context>\n");
    }
    out.push_str(&content);
    end_line(&mut out);
    out.push_str("</document>");
    Ok(out)
}

/// The format's name, if it is one of text.
fn text_format(format: DocumentFormat) -> Result<&'static str> {
    match format {
        DocumentFormat::Csv => Ok("csv"),
        DocumentFormat::Html => Ok("html"),
        DocumentFormat::Txt => Ok("txt"),
        DocumentFormat::Md => Ok("md"),
        DocumentFormat::Pdf
        | DocumentFormat::Doc
        | DocumentFormat::Docx
        | DocumentFormat::Xls
        | DocumentFormat::Xlsx => Err(unsupported("document")),
    }
}

fn utf8(bytes: Vec<u8>, path: &str) -> Result<String> {
    let mut text = String::from_utf8(bytes).map_err(|_| {
        Error::validation(format!(
            "The document at {path} is not valid UTF-8 text. Update the document and try again."
        ))
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// A search result as text.
pub(crate) fn search_result(result: &SearchResultBlock) -> String {
    let mut out = String::from("<search_result");
    attribute(&mut out, "title", &result.title);
    attribute(&mut out, "source", &result.source);
    out.push_str(">\n");
    for block in &result.content {
        out.push_str(&block.text);
        end_line(&mut out);
    }
    out.push_str("</search_result>");
    out
}

/// The text that was generated with citations. What it cites is in the conversation already.
pub(crate) fn cited(block: &CitationsContentBlock) -> Cow<'_, str> {
    let mut texts = block.content.iter().flatten().map(|text| match text {
        CitationText::Text(text) => text.as_str(),
    });
    match (texts.next(), texts.next()) {
        (first, None) => first.unwrap_or_default().into(),
        (first, second) => first.into_iter().chain(second).chain(texts).collect::<String>().into(),
    }
}

fn attribute(out: &mut String, name: &str, value: &str) {
    let value = value.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let _ = write!(out, " {name}=\"{value}\""); // a String takes everything
}

fn end_line(out: &mut String) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
}
