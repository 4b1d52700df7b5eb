// What other packages of this repository say.
module.exports = 'a word of a workspace'
