//! What a guardrail or a prompt router did to an answer.
#![expect(missing_docs, reason = "members are the service model's, which documents them")]

mod automated_reasoning;

pub use automated_reasoning::*;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::shape::{string_enum, structures};

/// `ConverseTrace`, `ConverseStreamTrace`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Trace {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<GuardrailTraceAssessment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_router: Option<PromptRouterTrace>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailTraceAssessment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_assessment: Option<BTreeMap<String, GuardrailAssessment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_output: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_assessments: Option<BTreeMap<String, Vec<GuardrailAssessment>>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailAssessment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_guardrail_details: Option<AppliedGuardrailDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated_reasoning_policy: Option<GuardrailAutomatedReasoningPolicyAssessment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_policy: Option<GuardrailContentPolicyAssessment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contextual_grounding_policy: Option<GuardrailContextualGroundingPolicyAssessment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation_metrics: Option<GuardrailInvocationMetrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitive_information_policy: Option<GuardrailSensitiveInformationPolicyAssessment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_policy: Option<GuardrailTopicPolicyAssessment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word_policy: Option<GuardrailWordPolicyAssessment>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct AppliedGuardrailDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_origin: Option<Vec<GuardrailOrigin>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_ownership: Option<GuardrailOwnership>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_version: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailContentPolicyAssessment {
    pub filters: Vec<GuardrailContentFilter>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailContentFilter {
    pub action: GuardrailContentPolicyAction,
    pub confidence: GuardrailContentFilterConfidence,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_strength: Option<GuardrailContentFilterStrength>,
    #[serde(rename = "type")]
    pub kind: GuardrailContentFilterType,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailContextualGroundingPolicyAssessment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<GuardrailContextualGroundingFilter>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailContextualGroundingFilter {
    pub action: GuardrailContextualGroundingPolicyAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected: Option<bool>,
    pub score: f64,
    pub threshold: f64,
    #[serde(rename = "type")]
    pub kind: GuardrailContextualGroundingFilterType,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailInvocationMetrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_coverage: Option<GuardrailCoverage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_processing_latency: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<GuardrailUsage>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailCoverage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<GuardrailCoverageCount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_characters: Option<GuardrailCoverageCount>,
}

/// `GuardrailTextCharactersCoverage`, `GuardrailImageCoverage`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailCoverageCount {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarded: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated_reasoning_policies: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated_reasoning_policy_units: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_policy_image_units: Option<u32>,
    pub content_policy_units: u32,
    pub contextual_grounding_policy_units: u32,
    pub sensitive_information_policy_free_units: u32,
    pub sensitive_information_policy_units: u32,
    pub topic_policy_units: u32,
    pub word_policy_units: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailSensitiveInformationPolicyAssessment {
    pub pii_entities: Vec<GuardrailPiiEntityFilter>,
    pub regexes: Vec<GuardrailRegexFilter>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailPiiEntityFilter {
    pub action: GuardrailSensitiveInformationPolicyAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected: Option<bool>,
    #[serde(rename = "match")]
    pub matched: String,
    #[serde(rename = "type")]
    pub kind: GuardrailPiiEntityType,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailRegexFilter {
    pub action: GuardrailSensitiveInformationPolicyAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected: Option<bool>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailTopicPolicyAssessment {
    pub topics: Vec<GuardrailTopic>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailTopic {
    pub action: GuardrailTopicPolicyAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected: Option<bool>,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: GuardrailTopicType,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailWordPolicyAssessment {
    pub custom_words: Vec<GuardrailCustomWord>,
    pub managed_word_lists: Vec<GuardrailManagedWord>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailCustomWord {
    pub action: GuardrailWordPolicyAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected: Option<bool>,
    #[serde(rename = "match")]
    pub matched: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailManagedWord {
    pub action: GuardrailWordPolicyAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected: Option<bool>,
    #[serde(rename = "match")]
    pub matched: String,
    #[serde(rename = "type")]
    pub kind: GuardrailManagedWordType,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct PromptRouterTrace {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoked_model_id: Option<String>,
}

string_enum! {
    pub enum GuardrailOrigin {
        Request = "REQUEST",
        AccountEnforced = "ACCOUNT_ENFORCED",
        OrganizationEnforced = "ORGANIZATION_ENFORCED",
    }
}

string_enum! {
    pub enum GuardrailOwnership {
        SameAccount = "SELF",
        CrossAccount = "CROSS_ACCOUNT",
    }
}

string_enum! {
    pub enum GuardrailContentPolicyAction {
        Blocked = "BLOCKED",
        None = "NONE",
    }
}

string_enum! {
    pub enum GuardrailContentFilterConfidence {
        None = "NONE",
        Low = "LOW",
        Medium = "MEDIUM",
        High = "HIGH",
    }
}

string_enum! {
    pub enum GuardrailContentFilterStrength {
        None = "NONE",
        Low = "LOW",
        Medium = "MEDIUM",
        High = "HIGH",
    }
}

string_enum! {
    pub enum GuardrailContentFilterType {
        Insults = "INSULTS",
        Hate = "HATE",
        Sexual = "SEXUAL",
        Violence = "VIOLENCE",
        Misconduct = "MISCONDUCT",
        PromptAttack = "PROMPT_ATTACK",
    }
}

string_enum! {
    pub enum GuardrailContextualGroundingPolicyAction {
        Blocked = "BLOCKED",
        None = "NONE",
    }
}

string_enum! {
    pub enum GuardrailContextualGroundingFilterType {
        Grounding = "GROUNDING",
        Relevance = "RELEVANCE",
    }
}

string_enum! {
    pub enum GuardrailSensitiveInformationPolicyAction {
        Anonymized = "ANONYMIZED",
        Blocked = "BLOCKED",
        None = "NONE",
    }
}

string_enum! {
    pub enum GuardrailPiiEntityType {
        Address = "ADDRESS",
        Age = "AGE",
        AwsAccessKey = "AWS_ACCESS_KEY",
        AwsSecretKey = "AWS_SECRET_KEY",
        CaHealthNumber = "CA_HEALTH_NUMBER",
        CaSocialInsuranceNumber = "CA_SOCIAL_INSURANCE_NUMBER",
        CreditDebitCardCvv = "CREDIT_DEBIT_CARD_CVV",
        CreditDebitCardExpiry = "CREDIT_DEBIT_CARD_EXPIRY",
        CreditDebitCardNumber = "CREDIT_DEBIT_CARD_NUMBER",
        DriverId = "DRIVER_ID",
        Email = "EMAIL",
        InternationalBankAccountNumber = "INTERNATIONAL_BANK_ACCOUNT_NUMBER",
        IpAddress = "IP_ADDRESS",
        LicensePlate = "LICENSE_PLATE",
        MacAddress = "MAC_ADDRESS",
        Name = "NAME",
        Password = "PASSWORD",
        Phone = "PHONE",
        Pin = "PIN",
        SwiftCode = "SWIFT_CODE",
        UkNationalHealthServiceNumber = "UK_NATIONAL_HEALTH_SERVICE_NUMBER",
        UkNationalInsuranceNumber = "UK_NATIONAL_INSURANCE_NUMBER",
        UkUniqueTaxpayerReferenceNumber = "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER",
        Url = "URL",
        Username = "USERNAME",
        UsBankAccountNumber = "US_BANK_ACCOUNT_NUMBER",
        UsBankRoutingNumber = "US_BANK_ROUTING_NUMBER",
        UsIndividualTaxIdentificationNumber = "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER",
        UsPassportNumber = "US_PASSPORT_NUMBER",
        UsSocialSecurityNumber = "US_SOCIAL_SECURITY_NUMBER",
        VehicleIdentificationNumber = "VEHICLE_IDENTIFICATION_NUMBER",
    }
}

string_enum! {
    pub enum GuardrailTopicPolicyAction {
        Blocked = "BLOCKED",
        None = "NONE",
    }
}

string_enum! {
    pub enum GuardrailTopicType {
        Deny = "DENY",
    }
}

string_enum! {
    pub enum GuardrailWordPolicyAction {
        Blocked = "BLOCKED",
        None = "NONE",
    }
}

string_enum! {
    pub enum GuardrailManagedWordType {
        Profanity = "PROFANITY",
    }
}

structures!(
    Trace,
    GuardrailTraceAssessment,
    GuardrailAssessment,
    AppliedGuardrailDetails,
    GuardrailContentPolicyAssessment,
    GuardrailContentFilter,
    GuardrailContextualGroundingPolicyAssessment,
    GuardrailContextualGroundingFilter,
    GuardrailInvocationMetrics,
    GuardrailCoverage,
    GuardrailCoverageCount,
    GuardrailUsage,
    GuardrailSensitiveInformationPolicyAssessment,
    GuardrailPiiEntityFilter,
    GuardrailRegexFilter,
    GuardrailTopicPolicyAssessment,
    GuardrailTopic,
    GuardrailWordPolicyAssessment,
    GuardrailCustomWord,
    GuardrailManagedWord,
    PromptRouterTrace
);
