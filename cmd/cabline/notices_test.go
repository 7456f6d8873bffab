package main

import (
	"testing"

	"cabline/cmd/cabline/config"
	"cabline/pbx"
	"cabline/prompts"
)

func TestEveryStatusHasARussianAndAnEnglishText(t *testing.T) {
	policy := noticePolicy(config.Default())
	for _, language := range []string{"ru", "en"} {
		voice, err := prompts.Load(language, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, status := range pbx.Statuses {
			rule, there := policy.Statuses[status]
			if !there {
				t.Errorf("%s has no rule", status)
			}
			if voice.OrderStatus(prompts.Facts{Status: rule.Text}) == nil {
				t.Errorf("%s has no text in %s", status, language)
			}
		}
		for _, key := range pbx.NoticeKeys {
			if voice.Say(key.Said) == nil {
				t.Errorf("key %s is not said in %s", key.Key, language)
			}
		}
	}
}

func TestClientsAreCalledOnlyWhereTheFirmSaysSo(t *testing.T) {
	if noticePolicy(config.Default()).Enabled {
		t.Error("a firm that has said nothing has its clients called")
	}
}
