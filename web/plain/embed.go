// Package plain is a page to try the server with: sign in, contacts, chat and calls. It is made of JsSIP and strophe.js
// (libraries/, with their licences) and of modules that a browser takes as they are; nothing is built.
package plain

import "embed"

//go:embed index.html icon.svg css js libraries/*.js libraries/LICENCES.txt
var files embed.FS

// Files are the page: index.html and what that names.
func Files() embed.FS { return files }
