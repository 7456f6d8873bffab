package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The house rules that a machine can hold. CONTRIBUTING.md says them in words.
const (
	maxFileLines     = 700 // 400 is the aim
	maxFunctionLines = 80  // 60 is the aim; tests may be longer: they are tables
)

// source is one Go file of ours.
type source struct {
	path string // from the root
	set  *token.FileSet
	file *ast.File
}

func (s source) pkg() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }
func (s source) lines() int   { return s.set.File(s.file.FileStart).LineCount() }

// at is where a node is, for messages.
func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.set.Position(n.Pos()).Line)
}

// house parses every Go file of ours, whatever its build tags.
func house(t *testing.T) []source {
	t.Helper()
	var all []source
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if entry.IsDir() {
			if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "node_modules" || base == "testdata" || base == "dist") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.ParseComments)
		all = append(all, source{name, set, file})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d files found; the rest of the house is not where this test looks", len(all))
	}
	return all
}

func TestEveryPackageSaysOnceWhatItIsFor(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range house(t) {
		if _, seen := comments[s.pkg()]; !seen {
			comments[s.pkg()] = nil
		}
		if s.file.Doc == nil || strings.HasSuffix(s.file.Name.Name, "_test") {
			continue
		}
		comments[s.pkg()] = append(comments[s.pkg()], s.path)
		words := s.file.Doc.Text()
		if s.file.Name.Name != "main" && !strings.HasPrefix(words, "Package "+s.file.Name.Name+" ") || len(words) < 60 {
			t.Errorf("%s: the package comment says too little: %q", s.path, words)
		}
	}
	for pkg, where := range comments {
		if len(where) != 1 {
			t.Errorf("%s has %d package comments, want one; they are in %v", pkg, len(where), where)
		}
	}
}

func TestFilesAndFunctionsFitTheEye(t *testing.T) {
	for _, s := range house(t) {
		if n := s.lines(); n > maxFileLines {
			t.Errorf("%s has %d lines, the limit is %d", s.path, n, maxFileLines)
		}
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || s.isTest() {
				continue
			}
			if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, the limit is %d", s.at(f), f.Name, n, maxFunctionLines)
			}
		}
	}
}

func TestNothingHappensBeforeMain(t *testing.T) {
	for _, s := range house(t) {
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: an init function; do it where it is needed", s.at(f))
			}
		}
	}
}

// A variable of a package is a constant that Go has no word for.
func TestPackageVariablesNeverChange(t *testing.T) {
	files := map[string][]source{}
	for _, s := range house(t) {
		if !s.isTest() {
			files[s.pkg()] = append(files[s.pkg()], s)
		}
	}
	for _, pkg := range files {
		vars := map[string]bool{}
		for _, s := range pkg {
			for _, name := range packageVars(s.file) {
				vars[name.Name] = true
			}
		}
		for _, s := range pkg {
			for _, name := range assigned(s.file, vars) {
				t.Errorf("%s: the package variable %s is changed", s.at(name), name.Name)
			}
		}
	}
}

func packageVars(f *ast.File) (names []*ast.Ident) {
	for _, decl := range f.Decls {
		if vars, ok := decl.(*ast.GenDecl); ok && vars.Tok == token.VAR {
			for _, spec := range vars.Specs {
				names = append(names, spec.(*ast.ValueSpec).Names...)
			}
		}
	}
	return names
}

// assigned finds the package variables that a file's functions write to. The
// parser tells a name of the package from a local one: in its own file it knows
// the declaration, in another it knows none.
func assigned(f *ast.File, vars map[string]bool) (names []*ast.Ident) {
	own := packageVars(f)
	note := func(e ast.Expr) {
		name := rootOf(e)
		if name == nil || name.Name == "_" || !vars[name.Name] {
			return
		}
		if name.Obj == nil || slices.ContainsFunc(own, func(o *ast.Ident) bool { return o.Obj == name.Obj }) {
			names = append(names, name)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					note(e)
				}
			}
		case *ast.IncDecStmt:
			note(n.X)
		}
		return true
	})
	return names
}

// rootOf is the variable that a.b[i].c begins with.
func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// A test that sleeps is slow on a fast machine and wrong on a slow one. Sleeping
// is allowed where time is synctest's and does not pass, and as the step of a
// loop that looks whether something has come true:
//
//	for end := …; !ready(); time.Sleep(time.Millisecond) { … a deadline … }
//
// Only a bench_test.go has to do with real time: it keeps the pace of calls.
func TestNoTestSleeps(t *testing.T) {
	for _, s := range house(t) {
		if !s.isTest() || path.Base(s.path) == "bench_test.go" || imports(s.file, "testing/synctest") {
			continue
		}
		polls := map[ast.Node]bool{}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ForStmt:
				if step, ok := n.Post.(*ast.ExprStmt); ok {
					polls[step.X] = true
				}
			case *ast.CallExpr:
				if called(n) == "time.Sleep" && !polls[n] {
					t.Errorf("%s: time.Sleep in a test; wait for what is to happen", s.at(n))
				}
			}
			return true
		})
	}
}

// A test that cannot run names what the machine lacks (internal/lacking): a silent
// skip is a test that nobody misses.
func TestNoTestSkipsInSilence(t *testing.T) {
	for _, s := range house(t) {
		if s.pkg() == "internal/lacking" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && skips(call) {
				t.Errorf("%s: a skip; say by internal/lacking what the test lacks", s.at(n))
			}
			return true
		})
	}
}

// skips says whether a call is one of testing.TB's skips.
func skips(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && called(call) != "lacking.Skip" && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, f.Sel.Name)
}

// What is measured in allocations skips under the race detector, or may have to,
// and "make unit" runs it once more without, by its name.
func TestWhatMeasuresAllocationsIsRunWithoutTheRaceDetectorToo(t *testing.T) {
	for _, s := range house(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(s.path, "media/") && strings.Contains(f.Name.Name, "Alloc") {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				id, ok := n.(*ast.Ident)
				if ok && (id.Name == "Unraced" || id.Name == "AllocsPerRun") {
					t.Errorf("%s: make unit finds %s only in media/ and with Alloc in its name", s.at(n), f.Name.Name)
				}
				return true
			})
		}
	}
}

func imports(f *ast.File, pkg string) bool {
	return slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == strconv.Quote(pkg) })
}

// called is what a call calls, as pkg.Name; empty for anything else.
func called(call *ast.CallExpr) string {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := f.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return pkg.Name + "." + f.Sel.Name
}

var (
	emptyName = regexp.MustCompile(`(Manager|Handler|Service|Engine|Helper|Util|Utils)$`)
	getter    = regexp.MustCompile(`^Get([A-Z]|$)`)
	bagOfAll  = regexp.MustCompile(`^(util|utils|common|helpers|types|models|misc)$`)
)

func TestNamesAreWordsOfTheTrade(t *testing.T) {
	for _, s := range house(t) {
		if bagOfAll.MatchString(s.file.Name.Name) {
			t.Errorf("%s: package %s says nothing about what is inside", s.path, s.file.Name)
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if emptyName.MatchString(n.Name.Name) {
					t.Errorf("%s: type %s is named after what programs do, not after what telephony has", s.at(n), n.Name)
				}
			case *ast.FuncDecl:
				if getter.MatchString(n.Name.Name) {
					t.Errorf("%s: %s is named after how, not after what it gives", s.at(n), n.Name)
				}
			}
			return true
		})
	}
}
