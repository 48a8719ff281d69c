//! What the automated reasoning checks of a guardrail found.
#![expect(missing_docs, reason = "members are the service model's, which documents them")]

use serde::{Deserialize, Serialize};

use crate::converse::shape::{string_enum, structures, union};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningPolicyAssessment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<GuardrailAutomatedReasoningFinding>>,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum GuardrailAutomatedReasoningFinding {
        Impossible(GuardrailAutomatedReasoningImpossibleFinding) = "impossible",
        Invalid(GuardrailAutomatedReasoningInvalidFinding) = "invalid",
        NoTranslations(GuardrailAutomatedReasoningNoTranslationsFinding) = "noTranslations",
        Satisfiable(GuardrailAutomatedReasoningSatisfiableFinding) = "satisfiable",
        TooComplex(GuardrailAutomatedReasoningTooComplexFinding) = "tooComplex",
        TranslationAmbiguous(GuardrailAutomatedReasoningTranslationAmbiguousFinding) = "translationAmbiguous",
        Valid(GuardrailAutomatedReasoningValidFinding) = "valid",
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningImpossibleFinding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contradicting_rules: Option<Vec<GuardrailAutomatedReasoningRule>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logic_warning: Option<GuardrailAutomatedReasoningLogicWarning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation: Option<GuardrailAutomatedReasoningTranslation>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningRule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version_arn: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningLogicWarning {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Vec<GuardrailAutomatedReasoningStatement>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub premises: Option<Vec<GuardrailAutomatedReasoningStatement>>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<GuardrailAutomatedReasoningLogicWarningType>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningStatement {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub natural_language: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningTranslation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Vec<GuardrailAutomatedReasoningStatement>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub premises: Option<Vec<GuardrailAutomatedReasoningStatement>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untranslated_claims: Option<Vec<GuardrailAutomatedReasoningInputTextReference>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untranslated_premises: Option<Vec<GuardrailAutomatedReasoningInputTextReference>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningInputTextReference {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningInvalidFinding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contradicting_rules: Option<Vec<GuardrailAutomatedReasoningRule>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logic_warning: Option<GuardrailAutomatedReasoningLogicWarning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation: Option<GuardrailAutomatedReasoningTranslation>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct GuardrailAutomatedReasoningNoTranslationsFinding {}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningSatisfiableFinding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims_false_scenario: Option<GuardrailAutomatedReasoningScenario>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims_true_scenario: Option<GuardrailAutomatedReasoningScenario>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logic_warning: Option<GuardrailAutomatedReasoningLogicWarning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation: Option<GuardrailAutomatedReasoningTranslation>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningScenario {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<Vec<GuardrailAutomatedReasoningStatement>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct GuardrailAutomatedReasoningTooComplexFinding {}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningTranslationAmbiguousFinding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference_scenarios: Option<Vec<GuardrailAutomatedReasoningScenario>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<GuardrailAutomatedReasoningTranslationOption>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningTranslationOption {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translations: Option<Vec<GuardrailAutomatedReasoningTranslation>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAutomatedReasoningValidFinding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims_true_scenario: Option<GuardrailAutomatedReasoningScenario>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logic_warning: Option<GuardrailAutomatedReasoningLogicWarning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supporting_rules: Option<Vec<GuardrailAutomatedReasoningRule>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation: Option<GuardrailAutomatedReasoningTranslation>,
}

string_enum! {
    pub enum GuardrailAutomatedReasoningLogicWarningType {
        AlwaysFalse = "ALWAYS_FALSE",
        AlwaysTrue = "ALWAYS_TRUE",
    }
}

structures!(
    GuardrailAutomatedReasoningPolicyAssessment,
    GuardrailAutomatedReasoningImpossibleFinding,
    GuardrailAutomatedReasoningRule,
    GuardrailAutomatedReasoningLogicWarning,
    GuardrailAutomatedReasoningStatement,
    GuardrailAutomatedReasoningTranslation,
    GuardrailAutomatedReasoningInputTextReference,
    GuardrailAutomatedReasoningInvalidFinding,
    GuardrailAutomatedReasoningNoTranslationsFinding,
    GuardrailAutomatedReasoningSatisfiableFinding,
    GuardrailAutomatedReasoningScenario,
    GuardrailAutomatedReasoningTooComplexFinding,
    GuardrailAutomatedReasoningTranslationAmbiguousFinding,
    GuardrailAutomatedReasoningTranslationOption,
    GuardrailAutomatedReasoningValidFinding
);
