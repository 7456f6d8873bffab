package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"cabline/cmd/cabline/config"
	"cabline/dispatchapi/httpjson"
)

// The config knows none of the rooms, so it has a list of its own.
func TestTheConfigTakesThePlaceholdersThereAre(t *testing.T) {
	if diff := cmp.Diff(httpjson.Placeholders, config.Placeholders); diff != "" {
		t.Error(diff)
	}
}
