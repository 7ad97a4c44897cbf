# From here on the text is the same for every checks file.

# What people see: one object per check.
table_results := (judged | missing) | unidentified

# The deployment is allowed if nothing in the table blocks.
default allow := false

allow if {
	input.phase in {"pre-deployment", "post-deployment"}
	every row in table_results {
		not blocks(row)
	}
}

# required: there must be evidence, and it must be a success.
blocks(row) if {
	row.RuleType == "required"
	row.Status != "success"
}

# required_if_present: evidence may be missing or pending; else it must be a success.
blocks(row) if {
	row.RuleType == "required_if_present"
	not row.Status in {"success", "pending", "missing"}
}

# recommended and listed never block.

# The rules of the phase, for the target. Where nobody says what the target is,
# every rule holds.
rules := [rule | some rule in phase_rules; for_target(rule)]

phase_rules := post_deployment if input.phase == "post-deployment"

phase_rules := pre_deployment if input.phase != "post-deployment"

for_target(rule) if count(rule.targets) == 0

for_target(_) if input.target.name == ""

for_target(rule) if {
	some environment in rule.targets
	matches(environment, input.target)
}

# Records of pipeline runs are not meant by "*".
is_about(rule, asset) if rule.asset_type == asset.type

is_about(rule, asset) if {
	rule.asset_type == "*"
	asset.type != "pipelinerun"
}

# Sources are alternatives: evidence from any of them counts.
covers(rule, _) if count(rule.sources) == 0

covers(rule, source) if {
	some environment in rule.sources
	matches(environment, source)
}

matches(environment, where) if {
	environment.name in {"*", where.name}
	environment.region in {"", where.region}
}

# A level that names the tool counts before one that has "*".
level(rule, tool) := rule.tools[tool]

level(rule, tool) := rule.tools["*"] if not rule.tools[tool]

rank := {"required": 0, "required_if_present": 1, "recommended": 2, "ignore": 3}

rule_type := ["required", "required_if_present", "recommended", "listed"]

# Evidence that a rule is about, at the strictest level that any rule has for it.
judged contains row if {
	some entry in input.entries
	some asset in entry.assets
	asset.type != "pipelinerun"
	some evidence in asset.evidence
	[found, i] := min({[rank[level(rule, evidence.tool)], i] |
		some i, rule in rules
		rule.evidence_type_id == evidence.evidence_type_id
		is_about(rule, asset)
		covers(rule, evidence.source)
	})
	row := object.union(about(entry, asset), {
		"RuleType": rule_type[found],
		"EvidenceTypeId": evidence.evidence_type_id,
		"Tool": evidence.tool,
		"Status": evidence.result,
		"Source": text(evidence.source),
		"EvidenceId": evidence.id,
		"Rule": rules[i].at,
	})
}

# Evidence that a rule asks for and that is not there. Where two rules ask for the
# same, the stricter one counts.
missing contains row if {
	some entry in input.entries
	some asset in entry.assets
	asset.must_have
	asset.type != "pipelinerun"
	some [found, i, tool] in {[rank[wanted], i, tool] |
		some i, rule in rules
		is_about(rule, asset)
		some tool, wanted in rule.tools
		wanted != "ignore"
		not is_met(rule, tool, wanted, asset)
	}
	not is_stricter_asked(found, i, tool, asset)
	row := object.union(about(entry, asset), {
		"RuleType": rule_type[found],
		"EvidenceTypeId": rules[i].evidence_type_id,
		"Tool": tool,
		"Status": "missing",
		"Source": sources(rules[i]),
		"Rule": rules[i].at,
	})
}

is_met(rule, tool, wanted, asset) if {
	some evidence in asset.evidence
	evidence.evidence_type_id == rule.evidence_type_id
	tool in {"*", evidence.tool}
	covers(rule, evidence.source)
	level(rule, evidence.tool) == wanted
}

is_stricter_asked(found, i, tool, asset) if {
	some other, rule in rules
	[rank[rule.tools[tool]], other] < [found, i]
	rule.evidence_type_id == rules[i].evidence_type_id
	sources(rule) == sources(rules[i])
	is_about(rule, asset)
	not is_met(rule, tool, rule.tools[tool], asset)
}

# An image whose commit nobody knows would slip past every rule about commits.
unidentified contains row if {
	some entry in input.entries
	entry.identified
	every asset in entry.assets {
		asset.type != "commit"
	}
	some rule in rules
	rule.asset_type == "commit"
	some _, wanted in rule.tools
	wanted in {"required", "required_if_present"}
	image := [asset | some asset in entry.assets; asset.type == "image"; asset.must_have][0]
	row := object.union(about(entry, image), {
		"RuleType": "required",
		"EvidenceTypeId": "entry-identity",
		"Tool": "*",
		"Status": "missing",
		"Source": "*",
	})
}

about(entry, asset) := {
	"Entry": entry.entry,
	"AssetType": asset.type,
	"AssetId": asset.id,
	"Target": text(input.target),
}

# An environment as name or name:region.
text(environment) := environment.name if environment.region == ""

text(environment) := sprintf("%s:%s", [environment.name, environment.region]) if environment.region != ""

sources(rule) := concat(", ", {text(environment) | some environment in rule.sources}) if not is_from_anywhere(rule)

sources(rule) := "*" if is_from_anywhere(rule)

is_from_anywhere(rule) if count(rule.sources) == 0

is_from_anywhere(rule) if {"name": "*", "region": ""} in rule.sources
