package prompts

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/goccy/go-yaml"
)

// texts are the sentences of a language.
type texts struct {
	say    map[ID]sentence
	orders map[string]sentence
	soon   sentence // said for {minutes} when the car is about to arrive
}

// textFile is texts/<language>.yaml.
type textFile struct {
	Say    map[ID]string     `yaml:"say"`
	Orders map[string]string `yaml:"orders"`
	Soon   *string           `yaml:"soon"`
}

// loadTexts reads the shipped texts and puts the firm's own over them.
func loadTexts(lang string, own fs.FS) (texts, error) {
	path := "texts/" + lang + ".yaml"
	t := texts{say: map[ID]sentence{}, orders: map[string]sentence{}}
	for _, from := range []fs.FS{shipped, own} {
		if from == nil {
			continue
		}
		data, err := fs.ReadFile(from, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = t.read(data)
		}
		if err != nil {
			return t, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return t, nil
}

func (t *texts) read(data []byte) error {
	var file textFile
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		return err
	}
	for id, text := range file.Say {
		if !slices.Contains(IDs, id) {
			return fmt.Errorf("there is no prompt %q; there are %v", id, IDs)
		}
		s, err := parseSentence(text)
		if err == nil && slices.ContainsFunc(s, func(g group) bool { return g.optional }) {
			err = errors.New("only texts of orders may name facts")
		}
		if err != nil {
			return fmt.Errorf("say: %s: %w", id, err)
		}
		t.say[id] = s
	}
	for status, text := range file.Orders {
		s, err := parseSentence(text)
		if err != nil {
			return fmt.Errorf("orders: %s: %w", status, err)
		}
		t.orders[status] = s
	}
	if file.Soon != nil {
		s, err := parseSentence(*file.Soon)
		if err != nil {
			return fmt.Errorf("soon: %w", err)
		}
		t.soon = s
	}
	return nil
}

// all are the sentences in an order that does not change.
func (t texts) all() []sentence {
	var all []sentence
	for _, id := range IDs {
		all = append(all, t.say[id])
	}
	for _, status := range slices.Sorted(maps.Keys(t.orders)) {
		all = append(all, t.orders[status])
	}
	return append(all, t.soon)
}
