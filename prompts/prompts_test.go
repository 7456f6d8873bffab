package prompts

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cabline/media"
	"cabline/media/g711"
)

var languages = []string{"ru", "en"}

func load(t *testing.T, lang string) *Voice {
	t.Helper()
	v, err := Load(lang, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// said is the names of clips without language and pauses: what a test reads.
func said(s media.Speech) string {
	var names []string
	for _, c := range s {
		if c.Name != quiet.Name {
			names = append(names, path.Base(c.Name))
		}
	}
	return strings.Join(names, " ")
}

func ptr(n int) *int { return &n }

func TestOrdersAreTold(t *testing.T) {
	solaris := Facts{Color: "белая", Mark: "Hyundai", Model: "Solaris", Plate: "m045ct 55", Minutes: ptr(21), Price: 1250}
	with := func(f Facts, change func(*Facts)) Facts { change(&f); return f }
	for _, c := range []struct {
		rule  string
		lang  string
		facts Facts
		want  string
	}{
		{"a new order has a sentence and no facts", "ru", with(solaris, func(f *Facts) { f.Status = "new" }),
			"novyj-zakaz-idyot-poisk-avtomobilya-ozhidajte"},
		{"an accepted order is told with all that is known", "ru", with(solaris, func(f *Facts) { f.Status = "accepted" }),
			"k-vam-vyehal-avtomobil hyonde solyaris_end cvet belyj_end gosudarstvennyj-nomer em_end nol sorok pyat_end es te_end " +
				"podedet-cherez dvadcat odnu minutu_end"},
		{"an unknown colour is left out with its label", "ru",
			with(solaris, func(f *Facts) { f.Status, f.Color, f.Minutes = "accepted", "хамелеон", nil }),
			"k-vam-vyehal-avtomobil hyonde solyaris_end gosudarstvennyj-nomer em_end nol sorok pyat_end es te_end"},
		{"an unknown plate is left out with its label", "ru",
			with(solaris, func(f *Facts) { f.Status, f.Plate, f.Minutes = "arrived", "KA-01-AB", nil }),
			"vas-ozhidaet-avtomobil hyonde solyaris_end cvet belyj_end pozhalujsta-vyhodite"},
		{"with nothing known the sentence stands", "ru", Facts{Status: "accepted"}, "k-vam-vyehal-avtomobil"},
		{"no minutes left are five to seven minutes", "ru", Facts{Status: "accepted", Minutes: ptr(0)},
			"k-vam-vyehal-avtomobil podedet-cherez pyat-sem-minut"},
		{"a negative time is left out", "ru", Facts{Status: "late", Minutes: ptr(-4)},
			"voditel-nemnogo-zaderzhivaetsya prinosim-izvineniya"},
		{"the price is told at the end", "ru", with(solaris, func(f *Facts) { f.Status = "completed" }),
			"poezdka-zavershena stoimost-poezdki odna tysyacha dvesti pyatdesyat rublej_end spasibo-chto-vybrali-nas"},
		{"no price, no words about it", "ru", Facts{Status: "completed"}, "poezdka-zavershena spasibo-chto-vybrali-nas"},
		{"a status of the dispatch system's own has no sentence", "ru", Facts{Status: "на дозвоне"}, ""},
		{"in English", "en", with(solaris, func(f *Facts) { f.Status = "accepted" }),
			"your-car-is-on-its-way hyundai solaris_end color white_end number m_end zero four five_end c t_end " +
				"it-will-be-there-in twenty one minutes_end"},
		{"soon in English", "en", Facts{Status: "late", Minutes: ptr(0)},
			"your-driver-is-running-a-little-late it-will-be-there-in five-to-seven-minutes we-are-sorry"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := said(load(t, c.lang).OrderStatus(c.facts)); got != c.want {
				t.Errorf("said %q, want %q", got, c.want)
			}
		})
	}
}

// The statuses are pbx's, which stands above this package.
func TestEveryStatusHasASentence(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../pbx/order.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var statuses []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && len(spec.Values) == 1 && strings.HasPrefix(spec.Names[0].Name, "Status") {
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				status, _ := strconv.Unquote(lit.Value)
				statuses = append(statuses, status)
			}
		}
		return true
	})
	if len(statuses) < 14 {
		t.Fatalf("found only %v in pbx/order.go", statuses)
	}
	for _, lang := range languages {
		v := load(t, lang)
		for _, s := range statuses {
			if len(v.OrderStatus(Facts{Status: s})) == 0 {
				t.Errorf("%s: status %s has no sentence", lang, s)
			}
		}
	}
}

func TestPromptsAndMenus(t *testing.T) {
	for _, lang := range languages {
		v := load(t, lang)
		for _, id := range IDs {
			s := v.Say(id)
			if len(s) < 2 || s[0].Name == quiet.Name || s[len(s)-1].Name != quiet.Name {
				t.Errorf("%s: %s is %v: want words and then a pause", lang, id, s)
			}
			if s.Duration() < 800*time.Millisecond || s.Duration() > 9*time.Second {
				t.Errorf("%s: %s takes %v", lang, id, s.Duration())
			}
		}
		if v.Say("no such prompt") != nil {
			t.Errorf("%s: an unknown prompt is said", lang)
		}
	}
	got := said(load(t, "ru").Menu(MenuDriver, MenuOperator, MenuRepeat))
	want := "dlya-svyazi-s-voditelem-nazhmite-odin dlya-svyazi-s-operatorom-nazhmite-dva chtoby-proslushat-eschyo-raz-nazhmite-devyat"
	if got != want {
		t.Errorf("the menu is %q, want %q", got, want)
	}
}

func TestAnUnknownLanguageIsAnError(t *testing.T) {
	if _, err := Load("de", nil); err == nil {
		t.Error("German was loaded")
	}
}

func TestSoundsAreShared(t *testing.T) {
	v := load(t, "ru")
	a, b := v.OrderStatus(Facts{Status: "new"}), v.OrderStatus(Facts{Status: "new"})
	if &a[0].ALaw[0] != &b[0].ALaw[0] || &a[1].ALaw[0] != &b[1].ALaw[0] {
		t.Error("two callers got two copies of a sound")
	}
}

// The exchange appends music and menus to what it gets.
func TestCallersMayAppendToASpeech(t *testing.T) {
	v, err := Load("ru", own(map[string]string{
		"texts/ru.yaml": "say: {greeting: Приносим извинения. Ваш заказ отменён. Приносим извинения.}"}))
	if err != nil {
		t.Fatal(err)
	}
	first := append(v.Say(Greeting), media.Clip{Name: "first"})
	if _ = append(v.Say(Greeting), media.Clip{Name: "second"}); first[len(first)-1].Name != "first" {
		t.Error("what one caller appends to a speech reaches another")
	}
}

// The shipped files are exactly what is needed, and scripts say what they are.
func TestEveryRecordingIsShippedAndNoOther(t *testing.T) {
	for _, lang := range languages {
		all, err := Recordings(lang, nil)
		if err != nil {
			t.Fatal(err)
		}
		needed := map[string]bool{"script.txt": true}
		var script strings.Builder
		for _, r := range all {
			if needed[r.Name+".wav"] {
				t.Errorf("%s: two recordings are named %s", lang, r.Name)
			}
			needed[r.Name+".wav"] = true
			script.WriteString(r.Name + ".wav\t" + r.String() + "\n")
		}
		files, err := os.ReadDir(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !needed[f.Name()] {
				t.Errorf("%s/%s is said nowhere", lang, f.Name())
			}
			delete(needed, f.Name())
		}
		for name := range needed {
			t.Errorf("%s/%s is missing: run go run ./prompts/render %s", lang, name, lang)
		}
		if have, _ := os.ReadFile(lang + "/script.txt"); string(have) != script.String() {
			t.Errorf("%s/script.txt is not of these texts: run go run ./prompts/render %s", lang, lang)
		}
	}
}

// What cannot be listened to here is measured: each sound has speech in it, is
// as loud as the others, is not clipped, and begins and ends without a click.
func TestEverySoundIsFitForTheTelephone(t *testing.T) {
	total := 0
	for _, lang := range languages {
		v := load(t, lang)
		for text := range v.clips {
			c := v.clip(text)
			total += len(c.ALaw)
			checkSound(t, c, 80*time.Millisecond, 6*time.Second)
		}
	}
	checkSound(t, load(t, "ru").Music(), 20*time.Second, 30*time.Second)
	if total > 5_000_000 {
		t.Errorf("all sounds take %d bytes: too much for the binary", total)
	}
}

func checkSound(t *testing.T, c media.Clip, shortest, longest time.Duration) {
	t.Helper()
	if c.Duration() < shortest || c.Duration() > longest {
		t.Errorf("%s lasts %v", c.Name, c.Duration())
		return
	}
	peak, edge := 0, 0
	var loudest, power float64
	for i, b := range c.ALaw {
		v := int(g711.DecodeALaw(b))
		peak = max(peak, v, -v)
		if i < 3 || i >= len(c.ALaw)-3 {
			edge = max(edge, v, -v)
		}
		if power += float64(v * v); (i+1)%400 == 0 {
			loudest, power = max(loudest, power/400), 0
		}
	}
	level := 10 * math.Log10(loudest/(32768*32768))
	switch {
	case level < -27 || level > -7:
		t.Errorf("%s is at %.0f dBFS where it is loudest", c.Name, level)
	case peak > 32000:
		t.Errorf("%s is clipped", c.Name)
	case edge > 500 && c.Name != "music":
		t.Errorf("%s begins or ends with a click of %d", c.Name, edge)
	}
}

func TestMusicGoesRoundWithoutAJump(t *testing.T) {
	m := load(t, "ru").Music().ALaw
	last, first := int(g711.DecodeALaw(m[len(m)-1])), int(g711.DecodeALaw(m[0]))
	steps := 0
	for i := range m[1:] {
		steps = max(steps, abs(int(g711.DecodeALaw(m[i+1]))-int(g711.DecodeALaw(m[i]))))
	}
	if abs(first-last) > steps {
		t.Errorf("from %d to %d at the seam, %d at most elsewhere", last, first, steps)
	}
}

func abs(n int) int { return max(n, -n) }

func TestNamesOfRecordings(t *testing.T) {
	for _, c := range []struct{ rule, text, want string }{
		{"Russian in Latin letters", "К вам выехал автомобиль", "k-vam-vyehal-avtomobil"},
		{"the falling word has a name of its own", "двадцать.", "dvadcat_end"},
		{"й and ё as macOS writes them", "пои\u0306мае\u0308м", "pojmayom"},
		{"punctuation inside", "Hello, it's the taxi", "hello-its-the-taxi"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := clipName(c.text); got != c.want {
				t.Errorf("clipName(%q) = %q, want %q", c.text, got, c.want)
			}
		})
	}
	long := strings.Repeat("очень ", 40)
	if a, b := clipName(long+"долго"), clipName(long+"скоро"); len(a) > longestName || a == b {
		t.Errorf("long texts are named %q and %q", a, b)
	}
}

func TestIDsAreAllListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "prompts.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "ID" {
				id, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if !slices.Contains(IDs, ID(id)) {
					t.Errorf("%s is not in IDs", id)
				}
			}
		}
		return true
	})
}
