//! The templates that come with the gateway: their prompts, recorded from the models' own
//! templates in transformers where those were at hand, else written by hand.

use std::collections::BTreeMap;

use helan::template::{BUILTINS, Builtin, Findings};

use super::{fixture, input, json};

#[test]
fn each_renders_its_golden_prompts() {
    let conversations = json("conversations.json");
    for builtin in BUILTINS {
        let template = builtin.template().unwrap();
        let golden: BTreeMap<String, String> =
            serde_json::from_str(&fixture(&format!("builtin/{}.json", builtin.name))).unwrap();
        for case in ["text", "chinese", "system"] {
            assert!(golden.contains_key(case), "{} has no prompt for {case}", builtin.name);
        }
        for case in ["tools", "results", "results_told"] {
            assert_eq!(
                golden.contains_key(case),
                builtin.tools.is_some(),
                "{} {case}",
                builtin.name
            );
        }
        for (case, prompt) in golden {
            let rendered = template.render(&input(&conversations[&case])).unwrap();
            assert_eq!(rendered, prompt, "{} {case}", builtin.name);
        }
    }
}

#[test]
fn what_the_table_says_is_what_the_template_does() {
    for builtin in BUILTINS {
        let template = builtin.template().unwrap();
        let found = Findings::of(&template);
        assert_eq!(found.tools, builtin.tools.is_some(), "{}", builtin.name);
        assert_eq!(found.tool_history, builtin.tools.is_some(), "{}", builtin.name);
        assert_eq!(found.begins_with.is_some(), !builtin.bos_token.is_empty(), "{}", builtin.name);
        assert!(found.warnings.is_empty(), "{}: {:?}", builtin.name, found.warnings);
        let opens = builtin.name.starts_with("deepseek-r1");
        assert_eq!(found.opens_thinking, opens, "{}", builtin.name);
    }
}

#[test]
fn names_are_found_in_any_case_and_are_distinct() {
    assert_eq!(Builtin::find("Mixtral").map(|builtin| builtin.name), Some("mistral-v1"));
    assert!(Builtin::find("llama9").is_none());
    let mut names: Vec<_> =
        BUILTINS.iter().flat_map(|builtin| builtin.aliases.iter().chain([&builtin.name])).collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn findings_read_well() {
    let found = Findings::of(&Builtin::find("deepseek-v3.1").unwrap().template().unwrap());
    assert_eq!(
        found.to_string(),
        "content: string\n\
         system: yes\n\
         tools: yes, history of calls: yes, several at once: yes\n\
         images: no, documents: no\n\
         thinking: switches enable_thinking, thinking; opened by the prompt: no\n\
         old reasoning: dropped, before calls: dropped\n\
         generation prompt: \"<｜Assistant｜></think>\"\n\
         prompts begin with \"<｜begin▁of▁sentence｜>\""
    );
}
