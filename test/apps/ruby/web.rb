# Answers with the variables that the first deploy and the buildpack set.
require 'socket'

server = TCPServer.new('127.0.0.1', Integer(ENV.fetch('PORT')))
loop do
  client = server.accept
  client.gets("\r\n\r\n")
  client.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello from ruby, #{ENV['RACK_ENV']}\n")
  client.close
end
