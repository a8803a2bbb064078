package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"

	"parley/internal/core"
)

// password is how a verb is told one.
type password struct {
	Password      *string `xor:"password" placeholder:"PASSWORD" help:"The password; other users of this machine can see it while the command runs."`
	PasswordStdin bool    `xor:"password" help:"Read the password from the first line of standard input."`
}

// maxPassword is more than the longest password that is taken.
const maxPassword = 4096

// read gives the password from where the flags say, or else asks for it.
func (v password) read(p *program, a core.Address) (string, error) {
	switch {
	case v.Password != nil:
		return *v.Password, nil
	case v.PasswordStdin:
		return firstLine(p.in)
	}
	return p.ask(a)
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", errors.New("there is no password on standard input")
	}
	return line, nil
}

// ask reads the password twice from the terminal, without showing it.
func (p *program) ask(a core.Address) (string, error) {
	fd := int(p.in.Fd())
	if !term.IsTerminal(fd) {
		return "", usage("there is no terminal to ask for the password: use --password-stdin")
	}
	prompt := func(text string) (string, error) {
		fmt.Fprint(p.err, text)
		secret, err := term.ReadPassword(fd)
		fmt.Fprintln(p.err)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(secret), nil
	}
	first, err := prompt(fmt.Sprintf("Password for %s: ", a))
	if err != nil {
		return "", err
	}
	again, err := prompt("Once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return first, nil
}
